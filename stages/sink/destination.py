"""Where a run's results go, from the name that a person gave: one table, or a folder.

A name that ends in `.csv`, `.parquet` or `.jsonl` is one table for all sources; anything else is a folder: with several
sources it has a subfolder for each. `check` refuses before decoding starts what could only fail later.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stages.errors import OutputExists
from stages.sink.base import Sink
from stages.sink.csv import CsvTable, csv_header
from stages.sink.folder import FolderSink, refuse_existing_outputs
from stages.sink.joins import Join, LinesJoin, ParquetJoin
from stages.sink.jsonl import JsonLinesTable
from stages.sink.metadata import RunDescription
from stages.sink.parquet import ParquetTable
from stages.sink.rows import Table
from stages.sink.staged import output_errors
from stages.sink.table import JoinedTable, JoinSink, TablePart, part_names
from stages.sources import VideoInfo

__all__ = [
    "TABLES",
    "Destination",
    "FolderDestination",
    "JobDestination",
    "Places",
    "TableDestination",
    "check_writable",
    "destination_for",
]


class JobDestination(Protocol):
    """The part of a destination that is needed where sources are read; fit for pickling."""

    def sinks_for(self, info: VideoInfo, *, again: bool = False) -> list[Sink]:
        """Return the sinks of a source that has started, not yet opened.

        `again`: the source was begun before in this run, by a process that was lost; what that left is replaced.
        """

    def moved(self, source_id: str, places: Places) -> JobDestination:
        """Return what writes this source, and no other, where `places` says, replacing what is there."""


class Places(Protocol):
    """Where the outputs of a source are written instead."""

    def folder(self, path: Path) -> Path:
        """Return the folder that stands for this one."""

    def file(self, path: Path) -> Path:
        """Return the file that stands for this one."""


class Destination(Protocol):
    """The results of a run: opened before its first source, closed after its last."""

    def check(self) -> None:
        """Raises OutputExists where results are there already, OutputFailed where none can be written."""

    def begin(self) -> JobDestination:
        """Stage what the sources share; return what makes each source's sinks. Raises OutputExists, OutputFailed."""

    def shared_sinks(self, info: VideoInfo) -> list[Sink]:
        """Return the sinks that join a source's results with the others', behind those of the source itself."""

    def close(self) -> None:
        """After the last source: make visible what the sources share. Raises OutputExists, OutputFailed."""

    def discard(self) -> None:
        """Remove what is staged and shared. Does nothing after `close`; never raises."""


def destination_for(
    path: Path,
    run: RunDescription,
    *,
    source_ids: Sequence[str],
    force: bool = False,
    csv_mark: bool = False,
    folders: Mapping[str, Path] | None = None,
) -> FolderDestination | TableDestination:
    """The destination of that name.

    Args:
        path: what the person gave.
        run: goes into the metadata, and says whether there are embeddings.
        source_ids: of all sources expected, each fit for a file name.
        force: replace what exists.
        csv_mark: begin CSV files with a byte order mark, for Excel.
        folders: of each source, where they are chosen already.
    """
    if path.suffix.lower() in TABLES:
        return TableDestination(path, run, source_ids=source_ids, force=force, csv_mark=csv_mark)
    return FolderDestination(path, run, source_ids=source_ids, force=force, csv_mark=csv_mark, folders=folders)


class FolderDestination:
    """A folder for the only source, or one below it for each. Implements `Destination` and `JobDestination`."""

    def __init__(
        self,
        path: Path,
        run: RunDescription,
        *,
        source_ids: Sequence[str],
        force: bool = False,
        csv_mark: bool = False,
        folders: Mapping[str, Path] | None = None,
    ) -> None:
        self._run = run
        self._force = force
        self._csv_mark = csv_mark
        self._folders = folders or {name: path / name if len(source_ids) > 1 else path for name in source_ids}

    def check(self) -> None:
        for folder in self._folders.values():
            if not self._force:
                refuse_existing_outputs(folder)
            check_writable(folder)

    def begin(self) -> JobDestination:
        """Return itself: the sources share nothing."""
        return self

    def sinks_for(self, info: VideoInfo, *, again: bool = False) -> list[Sink]:
        folder = self._folders[info.source_id]
        return [FolderSink(folder, self._run, force=self._force or again, csv_mark=self._csv_mark)]

    def moved(self, source_id: str, places: Places) -> FolderDestination:
        folder = places.folder(self._folders[source_id])
        return FolderDestination(
            folder, self._run, source_ids=[source_id], force=True, csv_mark=self._csv_mark, folders={source_id: folder}
        )

    def shared_sinks(self, info: VideoInfo) -> list[Sink]:
        """Return no sinks: each source has its own folder."""
        return []

    def close(self) -> None:
        """Every source has committed its own folder."""

    def discard(self) -> None:
        """Do nothing: no output is shared."""


class TableDestination:
    """One table for all sources. Implements `Destination`."""

    def __init__(
        self,
        path: Path,
        run: RunDescription,
        *,
        source_ids: Sequence[str],
        force: bool = False,
        csv_mark: bool = False,
    ) -> None:
        self._path = path
        self._run = run
        self._source_ids = source_ids
        self._force = force
        self._csv_mark = csv_mark
        self._joined: JoinedTable | None = None

    def check(self) -> None:
        if self._path.is_file() and not self._force:
            raise OutputExists(f"{self._path}: exists already; choose another name or give --force to replace it")
        check_writable(self._path.parent)

    def begin(self) -> JobDestination:
        self._joined = JoinedTable(self._path, self._source_ids, self._join, force=self._force)
        assert self._joined.folder is not None
        return TableParts(self._joined.folder, part_names(self._source_ids, self._path.suffix), self._run)

    def shared_sinks(self, info: VideoInfo) -> list[Sink]:
        return [] if self._joined is None else [JoinSink(self._joined, info.source_id)]

    def close(self) -> None:
        if self._joined is not None:
            self._joined.close()

    def discard(self) -> None:
        if self._joined is not None:
            self._joined.discard()

    def _join(self, descriptor: int) -> Join:
        suffix = self._path.suffix.lower()
        if suffix == ".parquet":
            return ParquetJoin(descriptor)
        header = csv_header(with_source=True, with_mark=self._csv_mark) if suffix == ".csv" else ""
        return LinesJoin(descriptor, header.encode())


@dataclass(frozen=True, slots=True)
class TableParts:
    """Makes the parts of a table. Implements `JobDestination`.

    Attributes:
        folder: holds them.
        names: each source's file.
    """

    folder: Path
    names: Mapping[str, str]
    run: RunDescription

    def sinks_for(self, info: VideoInfo, *, again: bool = False) -> list[Sink]:
        path = self.folder / self.names[info.source_id]
        return [TablePart(lambda: TABLES[path.suffix](path, self.run))]

    def moved(self, source_id: str, places: Places) -> TableParts:
        path = places.file(self.folder / self.names[source_id])
        return TableParts(path.parent, {source_id: path.name}, self.run)


def _csv(path: Path, _: RunDescription) -> Table:
    return CsvTable(path, force=True, with_source=True, is_part=True)


def _parquet(path: Path, run: RunDescription) -> Table:
    return ParquetTable(path, embedding_dimension=run.embedding_dimension, force=True, is_part=True)


def _jsonl(path: Path, _: RunDescription) -> Table:
    return JsonLinesTable(path, force=True, is_part=True)


TABLES: Mapping[str, Callable[[Path, RunDescription], Table]] = {".csv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}
"""What makes a part of a table, by the ending of the table's name."""


def check_writable(folder: Path) -> None:
    """Try to make a file where the folder is or will be; nothing is left there. Raises OutputFailed."""
    nearest = folder
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    with output_errors(folder), tempfile.TemporaryFile(dir=nearest):
        pass
