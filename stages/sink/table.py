"""One table for all sources of a run: their rows interleave, the column `source` tells them apart.

The table appears when the run is over, not when a source is: `SharedTable.close`. A source that is abandoned leaves its
rows until then in the table, like one that broke. A table that could not be written is discarded at once and fails
every source that still wants it. Used by one thread.
"""

from __future__ import annotations

from collections.abc import Callable

from stages.errors import OutputFailed, SinkError
from stages.frames import Observation
from stages.sink.rows import Table
from stages.sources import SourceEnded, VideoInfo

__all__ = ["SharedTable", "TableSink"]


class SharedTable:
    """Owns the table between its first source and the end of the run."""

    def __init__(self, make: Callable[[], Table]) -> None:
        """`make` stages the table, when the first source has started."""
        self._make = make
        self._table: Table | None = None
        self._sources_closed = 0
        self._error: SinkError | None = None

    def open(self) -> None:
        """Stage the table unless it is. Raises OutputExists, OutputFailed."""
        self._refuse_broken()
        if self._table is None:
            self._table = self._make()

    def append(self, observation: Observation, source: str) -> None:
        """Add a frame's faces. Raises OutputFailed."""
        if self._table is None:
            raise RuntimeError("the table is not open")
        self._refuse_broken()
        try:
            self._table.append(observation, source)
        except SinkError as exc:
            self._error = exc  # a row may be half there
            self._table.discard()
            raise

    def source_closed(self) -> None:
        """Count a source whose rows are all there."""
        self._sources_closed += 1

    def close(self) -> None:
        """Commit the table, or discard it where no source got to its end. Raises OutputExists, OutputFailed."""
        if self._table is None:
            return
        self._refuse_broken()
        table, self._table = self._table, None
        try:
            if self._sources_closed:
                table.seal()
                table.publish()
        finally:
            table.discard()

    def _refuse_broken(self) -> None:
        if self._error is not None:
            raise OutputFailed(str(self._error)) from self._error


class TableSink:
    """One source's rows of a shared table. Implements `stages.sink.base.Sink`."""

    def __init__(self, shared: SharedTable) -> None:
        self._shared = shared

    def open(self, info: VideoInfo) -> None:
        self._source = info.uri
        self._shared.open()

    def write(self, observation: Observation) -> None:
        self._shared.append(observation, self._source)

    def close(self, ended: SourceEnded) -> None:
        """The rows are complete; they become visible with the whole table."""
        self._shared.source_closed()

    def abandon(self) -> None:
        """Rows once in a shared table stay there."""
