"""Progress is shown as bars on a terminal and as lines elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from visage.observe.downloads import DownloadProgress
from visage.observe.progress import BarProgress, LineProgress, NoProgress, choose_progress
from visage.runtime.queue import QueueStatistics
from visage.runtime.source import SourceStatistics
from visage.runtime.state import PipelineState, SourceState
from visage.runtime.statistics import PipelineStatistics

EMPTY = QueueStatistics(0, 8, 0, 0, 0.0, 0.0)


def at(frames: int, *, state: SourceState = SourceState.RUNNING, total: int | None = 1000) -> PipelineStatistics:
    source = SourceStatistics("film", state, frames, frames, 0, 2 * frames, total, frames / 25, 1.0, EMPTY)
    return PipelineStatistics(PipelineState.RUNNING, (source,), (), {})


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_two_seconds_with_rate_and_time_left() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = LineProgress(stream=stream, clock=clock)
    progress.update(at(10))
    assert stream.getvalue() == ""
    clock.now = 2.0
    progress.update(at(100))
    clock.now = 3.9
    progress.update(at(150))
    clock.now = 4.0
    progress.update(at(300))
    assert stream.getvalue().splitlines() == [
        "film: 100 of 1,000 frames (10%), 50 fps, 0:18 left, 200 faces",
        "film: 300 of 1,000 frames (30%), 100 fps, 0:07 left, 600 faces",
    ]


@pytest.mark.parametrize(("total", "whole_sources"), [(None, True), (1000, False)])
def test_without_a_known_end_no_share_is_claimed(total: int | None, whole_sources: bool) -> None:
    clock, stream = Clock(), io.StringIO()
    progress = LineProgress(stream=stream, clock=clock, whole_sources=whole_sources)
    clock.now = 2.0
    progress.update(at(100, total=total))
    assert stream.getvalue() == "film: 100 frames, 50 fps, 200 faces\n"


@pytest.mark.parametrize("state", [SourceState.PENDING, SourceState.DONE, SourceState.FAILED])
def test_only_sources_that_run_have_lines(state: SourceState) -> None:
    clock, stream = Clock(), io.StringIO()
    progress = LineProgress(stream=stream, clock=clock)
    clock.now = 2.0
    progress.update(at(100, state=state))
    assert stream.getvalue() == ""


def test_a_bar_shows_the_count_and_goes_when_the_source_has_ended() -> None:
    stream = io.StringIO()
    progress = BarProgress(console=Console(file=stream, force_terminal=True, width=160))
    progress.update(at(250))
    assert "250 of 1,000 frames (25%)" in stream.getvalue()
    stream.truncate(0)
    progress.update(at(1000, state=SourceState.DONE))
    progress.close()
    assert "1,000 frames" not in stream.getvalue()


def test_the_display_fits_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(choose_progress(quiet=True, whole_sources=True), NoProgress)
    assert isinstance(choose_progress(quiet=False, whole_sources=True), LineProgress)


def test_a_download_is_told_at_its_start_and_then_every_two_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = DownloadProgress(stream=stream, clock=clock)
    for seconds, done in [(0.0, 0), (1.0, 5_000_000), (2.0, 10_000_000)]:
        clock.now = seconds
        progress("sface", done, 38_700_000)
    progress("yunet", 1_000, None)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "fetching sface: 0.0 of 38.7 MB",
        "fetching sface: 10.0 of 38.7 MB",
        "fetching yunet: 0.0 MB",
    ]
