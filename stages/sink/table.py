"""One table for all sources of a run: each source's rows are a part, and the parts are joined in the sources' order.

    where a source is read:  TablePart  ──>  all.csv.XXXX.parts/000002.csv
    where the run ends:      JoinedTable  <── JoinSink     (bytes and row groups, see `stages.sink.joins`)

The column `source` tells the rows apart. The table appears when the run is over, and not where no source got to its
end. A source that is abandoned has no part in it; one that broke has its rows until then. A part is appended as soon as
all sources before it have ended, and removed. Whoever holds the lock on the table's staged file owns the folders of
parts beside it, so that those of a killed run go with the next.
"""

from __future__ import annotations

import contextlib
import glob
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from stages.errors import OutputFailed, SinkError
from stages.frames import Observation
from stages.sink.base import Sink
from stages.sink.joins import Join
from stages.sink.rows import Table
from stages.sink.staged import StagedFile, output_errors
from stages.sources import SourceEnded, VideoInfo

__all__ = ["JoinSink", "JoinedTable", "TablePart", "part_names"]

PARTS_SUFFIX = ".parts"


class JoinedTable:
    """Owns the staged table and the folder of its parts until `close` or `discard`. Used by one thread.

    Attributes:
        folder: where parts are made; None before there is one.
    """

    def __init__(
        self, path: Path, source_ids: Sequence[str], join: Callable[[int], Join], *, force: bool = False
    ) -> None:
        """Stage the table. Raises OutputExists, OutputFailed, also where another run is writing it.

        `join` makes what appends to the descriptor that it is given.
        """
        self._path = path
        self._waiting = list(reversed(source_ids))
        self._names = part_names(source_ids, path.suffix)
        self._ended: set[str] = set()
        self._parts_joined = 0
        self._error: SinkError | None = None
        self.folder: Path | None = None
        self._staged = StagedFile(path, force=force)
        try:
            with output_errors(path):
                for left in path.parent.glob(f"{glob.escape(path.name)}.*{PARTS_SUFFIX}"):
                    shutil.rmtree(left, ignore_errors=True)
                self.folder = Path(tempfile.mkdtemp(PARTS_SUFFIX, f"{path.name}.", path.parent))
                self._join = join(self._staged.file.fileno())
        except BaseException:
            self.discard()
            raise

    def end(self, source_id: str) -> None:
        """Note that a source's part is there, and append those whose turn it is. Raises OutputFailed."""
        self._ended.add(source_id)
        while self._waiting and self._waiting[-1] in self._ended:
            self._append(self._waiting.pop())

    def close(self) -> None:
        """Append the rest and commit the table, or discard it without parts. Raises OutputExists, OutputFailed."""
        try:
            self._refuse_broken()
            while self._waiting:
                self._append(self._waiting.pop())
            if self._parts_joined:
                with self._errors():
                    self._join.finish()
                self._staged.seal()
                self._staged.publish()
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the parts, and the table unless it is published. Never raises."""
        self._staged.discard()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _append(self, source_id: str) -> None:
        self._refuse_broken()
        assert self.folder is not None
        part = self.folder / self._names[source_id]
        with contextlib.suppress(FileNotFoundError):  # its source never started, or was abandoned
            with part.open("rb"):
                pass
            with self._errors():
                self._join.append(part)
            self._parts_joined += 1
            part.unlink()

    def _refuse_broken(self) -> None:
        if self._error is not None:
            raise OutputFailed(str(self._error)) from self._error

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Remember why the table can't be written: a row may be half there."""
        try:
            with output_errors(self._path):
                yield
        except SinkError as error:
            self._error = error
            self._staged.discard()
            raise


class TablePart(Sink):
    """One source's rows of a table, in a file of their own."""

    def __init__(self, make: Callable[[], Table]) -> None:
        """`make` stages the file."""
        self._make = make
        self._table: Table | None = None
        self._source = ""

    def open(self, info: VideoInfo) -> None:
        """Stage the part. Raises OutputFailed."""
        self._source = info.uri
        self._table = self._make()

    def write(self, observation: Observation) -> None:
        """Add a frame's faces. Raises OutputFailed."""
        assert self._table is not None
        self._table.append(observation, self._source)

    def close(self, ended: SourceEnded) -> None:
        """Let the part appear where it is joined from. Raises OutputFailed."""
        assert self._table is not None
        self._table.seal()
        self._table.publish()

    def abandon(self) -> None:
        """Discard the part; nothing of it is joined."""
        if self._table is not None:
            self._table.discard()


class JoinSink(Sink):
    """Joins one source's part into the table when the source has ended; rows never come here."""

    def __init__(self, table: JoinedTable, source_id: str) -> None:
        self._table = table
        self._source_id = source_id

    def close(self, ended: SourceEnded) -> None:
        """See `JoinedTable.end`. Raises OutputFailed."""
        self._table.end(self._source_id)


def part_names(source_ids: Sequence[str], suffix: str) -> dict[str, str]:
    """Return the name of each source's part."""
    return {source_id: f"{number:06d}{suffix.lower()}" for number, source_id in enumerate(source_ids)}
