"""Fixtures of all tests, and the check that a pipeline leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

pytest_plugins = ["tests.media", *(["tests.models"] if Path(__file__).with_name("models.py").exists() else [])]

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("explore", deadline=None)
# The same examples every time, so that a failure is always the change's own; to look for new ones, run
# `pytest --hypothesis-profile=explore tests/property`.
settings.register_profile("visage", settings.get_profile("explore"), derandomize=True)
settings.load_profile("visage")

RUNS_PIPELINES = ("runtime", "integration")

DEBIAN_PACKAGES = {
    "Chromium": "chromium",
    "mosquitto": "mosquitto",
    "promtool": "prometheus",
    "GStreamer": "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-{base,good,bad,ugly}",
    "ffmpeg": "ffmpeg",
    "systemd-analyze": "systemd",
}
"""What brings a program, by the word with which the reason of a skipped test names it."""

ENDING_SECONDS = 5.0
"""anyio's worker threads are told to end when the loop does, and end a moment later."""


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """In tests that run pipelines: no thread, open file or child process may outlive the test."""
    if not set(request.path.relative_to(Path(__file__).parent).parts) & set(RUNS_PIPELINES):
        yield
        return
    process = psutil.Process()
    threads = set(threading.enumerate())
    files = {file.path for file in process.open_files()}
    children = {child.pid for child in process.children()}
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(ENDING_SECONDS)
    assert not set(threading.enumerate()) - threads, "threads left running"
    assert not {file.path for file in process.open_files()} - files, "files left open"
    assert not {child.pid for child in process.children()} - children, "processes left running"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One sentence about the tests that this machine lacks a program for, before the closing line."""
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    if sentence := sentence_of_missing(reasons):
        terminalreporter.write_line(sentence, yellow=True)


def sentence_of_missing(reasons: Sequence[str]) -> str:
    """What was not tested for want of a program, and the command that changes it; empty where nothing lacks.

    Args:
        reasons: of skipped tests, one each.
    """
    counts = {program: sum(program in reason for reason in reasons) for program in DEBIAN_PACKAGES}
    lacking = [program for program, count in counts.items() if count]
    if not lacking:
        return ""
    packages = " ".join(DEBIAN_PACKAGES[program] for program in lacking)
    number = sum(counts.values())
    return (
        f"{number} skipped for want of {', '.join(lacking)}, which `make test` installs as root on Debian: "
        f"sudo apt-get install {packages}"
    )
