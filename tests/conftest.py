"""Fixtures of all tests, and the check that a pipeline leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest_plugins = ["tests.media", *(["tests.models"] if Path(__file__).with_name("models.py").exists() else [])]

RUNS_PIPELINES = ("runtime", "integration")

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
