"""How far a run has come: bars on a terminal, a line every two seconds elsewhere, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from visage.runtime.source import SourceStatistics
from visage.runtime.state import SourceState
from visage.runtime.statistics import PipelineStatistics

__all__ = ["BarProgress", "LineProgress", "NoProgress", "RunProgress", "choose_progress"]

LINE_INTERVAL_SECONDS = 2.0


class RunProgress(Protocol):
    """Shows the statistics of a run, frames a second among them, until it is closed."""

    def update(self, statistics: PipelineStatistics) -> None:
        """Show these statistics; called a few times a second, from one thread."""

    def close(self) -> None:
        """Remove the bars or flush the lines. Raises OSError where standard error can't be written."""


def choose_progress(*, quiet: bool, whole_sources: bool) -> RunProgress:
    """Return bars if standard error is a terminal, lines every 2 seconds if not, and nothing if quiet.

    Args:
        whole_sources: False if only a part of each source is read: then no share done can be told.
    """
    if quiet:
        return NoProgress()
    if sys.stderr.isatty():
        return BarProgress(whole_sources=whole_sources)
    return LineProgress(whole_sources=whole_sources)


class BarProgress:
    """A bar for each source that is being read: frames, frames a second, time left and faces."""

    def __init__(self, *, whole_sources: bool = True, console: Console | None = None) -> None:
        self._whole_sources = whole_sources
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            _FpsColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[faces]}"),
            console=console or Console(stderr=True),
            # Drawn by `update`: no thread of its own.
            auto_refresh=False,
            transient=True,
        )
        self._progress.start()

    def close(self) -> None:
        """Remove the bars from the terminal."""
        self._progress.stop()

    def update(self, statistics: PipelineStatistics) -> None:
        """Draw a bar for each running source and hide those of sources that have ended."""
        for source in statistics.sources:
            if source.state is SourceState.PENDING:
                continue
            if source.state.is_final:
                if source.source_id in self._tasks:
                    self._progress.update(self._tasks[source.source_id], visible=False)
                continue
            self._show(source)
        self._progress.refresh()

    def _show(self, source: SourceStatistics) -> None:
        total = source.frame_count if self._whole_sources else None
        if source.source_id not in self._tasks:
            self._tasks[source.source_id] = self._progress.add_task(
                escape(source.source_id), total=total, count="", faces=""
            )
        self._progress.update(
            self._tasks[source.source_id],
            total=total,
            completed=source.frames_decoded,
            count=_count(source.frames_decoded, total),
            faces=_faces(source.faces),
        )


class LineProgress:
    """A line for each source that is being read, every two seconds."""

    def __init__(
        self,
        *,
        whole_sources: bool = True,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._whole_sources = whole_sources
        self._stream = stream or sys.stderr
        self._clock = clock
        self._shown_at = clock()
        self._shown: dict[str, int] = {}

    def close(self) -> None:
        """Flush the stream. Raises OSError where it can't be written."""
        self._stream.flush()

    def update(self, statistics: PipelineStatistics) -> None:
        """Write a line for each running source, unless the last ones are less than two seconds old."""
        seconds = self._clock() - self._shown_at
        if seconds < LINE_INTERVAL_SECONDS:
            return
        self._shown_at += seconds
        for source in statistics.sources:
            if not source.state.is_final and source.state is not SourceState.PENDING:
                fps = (source.frames_decoded - self._shown.get(source.source_id, 0)) / seconds
                self._shown[source.source_id] = source.frames_decoded
                self._stream.write(self._line(source, fps) + "\n")
        self._stream.flush()

    def _line(self, source: SourceStatistics, fps: float) -> str:
        total = source.frame_count if self._whole_sources else None
        parts = [_count(source.frames_decoded, total), f"{fps:.0f} fps", _faces(source.faces)]
        if total and fps > 0:
            parts.insert(2, f"{_duration(max(0, total - source.frames_decoded) / fps)} left")
        return f"{source.source_id}: {', '.join(parts)}"


class NoProgress:
    """Shows nothing, as `--quiet` asks."""

    def update(self, statistics: PipelineStatistics) -> None:
        """Ignore the statistics: the run is quiet."""
        return

    def close(self) -> None:
        """Do nothing: no terminal was touched."""
        return


class _FpsColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f} fps" if task.speed else "", style="progress.data.speed")


def _count(done: int, total: int | None) -> str:
    if not total:
        return f"{done:,} frames"
    return f"{done:,} of {total:,} frames ({min(100, 100 * done // total)}%)"


def _faces(count: int) -> str:
    return f"{count:,} face{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
