"""How far a download has come: a bar on a terminal, a line every two seconds elsewhere, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

__all__ = ["DownloadProgress"]

LINE_INTERVAL_SECONDS = 2.0


class DownloadProgress:
    """Shows the progress of downloads in bytes: `progress(name, done_bytes, total_bytes)`."""

    def __init__(self, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._shown_at: dict[str, float] = {}
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done_bytes: int, total_bytes: int | None, /) -> None:
        if self._stream.isatty():
            self._draw(name, done_bytes, total_bytes)
        elif self._clock() - self._shown_at.get(name, -LINE_INTERVAL_SECONDS) >= LINE_INTERVAL_SECONDS:
            self._shown_at[name] = self._clock()
            total = f" of {total_bytes / 1e6:.1f}" if total_bytes else ""
            self._stream.write(f"fetching {name}: {done_bytes / 1e6:.1f}{total} MB\n")
            self._stream.flush()

    def close(self) -> None:
        """Remove the bars from the terminal, if there are any."""
        if self._bars is not None:
            self._bars.stop()

    def _draw(self, name: str, done_bytes: int, total_bytes: int | None) -> None:
        if self._bars is None:
            self._bars = Progress(
                TextColumn("fetching {task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(file=self._stream),
                auto_refresh=False,
                transient=True,
            )
            self._bars.start()
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(escape(name), total=None)
        self._bars.update(self._tasks[name], completed=done_bytes, total=total_bytes, refresh=True)
