"""Where a run's results go, from the name that a person gave: one table, or a folder.

A name that ends in `.csv`, `.parquet` or `.jsonl` is one table for all sources; anything else is a folder: with several
sources it has a subfolder for each. `check` refuses before decoding starts what could only fail later.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from stages.errors import OutputExists
from stages.sink.base import Sink
from stages.sink.csv import CsvTable
from stages.sink.folder import FolderSink, refuse_existing_outputs
from stages.sink.jsonl import JsonLinesTable
from stages.sink.metadata import RunDescription
from stages.sink.parquet import ParquetTable
from stages.sink.rows import Table
from stages.sink.staged import output_errors
from stages.sink.table import SharedTable, TableSink
from stages.sources import VideoInfo

__all__ = ["TABLES", "Destination", "FolderDestination", "TableDestination", "check_writable", "destination_for"]


class Destination(Protocol):
    """The results of a run."""

    def check(self) -> None:
        """Raises OutputExists where results are there already, OutputFailed where none can be written."""

    def sinks_for(self, info: VideoInfo) -> list[Sink]:
        """The sinks of a source that has started, not yet opened."""

    def close(self) -> None:
        """After the last source: make visible what the sources share. Raises OutputExists, OutputFailed."""


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
        return TableDestination(path, run, force=force, csv_mark=csv_mark)
    return FolderDestination(path, run, source_ids=source_ids, force=force, csv_mark=csv_mark, folders=folders)


class FolderDestination:
    """A folder for the only source, or one below it for each. Implements `Destination`."""

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

    def sinks_for(self, info: VideoInfo) -> list[Sink]:
        folder = self._folders[info.source_id]
        return [FolderSink(folder, self._run, force=self._force, csv_mark=self._csv_mark)]

    def close(self) -> None:
        """Every source has committed its own folder."""


class TableDestination:
    """One table for all sources. Implements `Destination`."""

    def __init__(self, path: Path, run: RunDescription, *, force: bool = False, csv_mark: bool = False) -> None:
        self._path = path
        self._force = force
        self._shared = SharedTable(lambda: TABLES[path.suffix.lower()](path, run, force, csv_mark))

    def check(self) -> None:
        if self._path.is_file() and not self._force:
            raise OutputExists(f"{self._path}: exists already; choose another name or give --force to replace it")
        check_writable(self._path.parent)

    def sinks_for(self, info: VideoInfo) -> list[Sink]:
        return [TableSink(self._shared)]

    def close(self) -> None:
        self._shared.close()


def _csv(path: Path, run: RunDescription, force: bool, csv_mark: bool) -> Table:
    return CsvTable(path, force=force, with_source=True, with_mark=csv_mark)


def _parquet(path: Path, run: RunDescription, force: bool, _: bool) -> Table:
    return ParquetTable(path, embedding_dimension=run.embedding_dimension, force=force)


def _jsonl(path: Path, run: RunDescription, force: bool, _: bool) -> Table:
    return JsonLinesTable(path, force=force)


# By the ending of the table's name.
TABLES: dict[str, Callable[[Path, RunDescription, bool, bool], Table]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".jsonl": _jsonl,
}


def check_writable(folder: Path) -> None:
    """Try to make a file where the folder is or will be; nothing is left there. Raises OutputFailed."""
    nearest = folder
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    with output_errors(folder), tempfile.TemporaryFile(dir=nearest):
        pass
