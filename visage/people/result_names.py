"""Writes names that were given after a run into its tables: the columns `person` and `similarity` are updated.

A row belongs to the sighting of its source's track that its time lies in; the sighting's person or unknown of today is
its name, the whole track through. Rows whose track the gallery does not hold stay as they are. Each table is replaced
as a whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.errors import SourceError
from stages.sink.csv import BYTE_ORDER_MARK, guarded, unguarded
from stages.sink.folder import DETECTIONS, METADATA, TRACKS_CSV, TRACKS_PARQUET
from stages.sink.rows import spelled
from stages.sink.staged import StagedFile, output_errors
from visage.people.gallery import Gallery
from visage.people.records import Sighting

__all__ = ["Applied", "apply_names"]

MAX_SIGHTINGS = 10_000_000
TOLERANCE_SECONDS = 0.01
"""Tables have thousandths."""

TABLES = (".csv", ".parquet", ".jsonl")


@dataclass(slots=True)
class Applied:
    """What was written.

    Attributes:
        tables: the number of tables.
        rows: the number of rows that have another name now.
        unmatched: the number of rows whose track the gallery does not hold.
    """

    tables: int = 0
    rows: int = 0
    unmatched: int = 0


def apply_names(gallery: Gallery, path: Path) -> Applied:
    """Name the faces and tracks in results as the gallery does now.

    Args:
        path: a folder that `--dst` wrote, of one or of several sources, or one table.

    Raises:
        SourceError: there are no results. OutputFailed.
    """
    names = _Names(gallery)
    if path.is_file() and path.suffix.lower() in TABLES:
        _rewrite([path], None, names)
        return names.applied
    folders = [found.parent for found in [path / METADATA, *sorted(path.glob(f"*/{METADATA}"))] if found.is_file()]
    if not folders:
        raise SourceError(f"{path}: no results; give a folder or a table that --dst wrote")
    for folder in folders:
        try:
            source = json.loads((folder / METADATA).read_text())["filepath"]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise SourceError(f"{folder / METADATA}: can't be read; analyse the video again") from exc
        present = [folder / name for name in (DETECTIONS, TRACKS_CSV, TRACKS_PARQUET) if (folder / name).is_file()]
        _rewrite(present, source, names)
    return names.applied


class _Names:
    """Who a track is, by its source, number and time; counts what it was asked."""

    def __init__(self, gallery: Gallery) -> None:
        self.applied = Applied()
        self._seen: dict[tuple[str, int], list[Sighting]] = defaultdict(list)
        for sighting in gallery.sightings(limit=MAX_SIGHTINGS):  # newest first
            self._seen[_key(sighting.uri), sighting.track_id].append(sighting)

    def of(self, source: str, track: str | float | None, seconds: str | float | None) -> Sighting | None:
        """None where there is no track, or the gallery does not hold it."""
        if track in (None, "", 0, "0") or seconds in (None, ""):
            return None
        at = float(seconds or 0)
        for sighting in self._seen.get((_key(source), int(track or 0)), ()):
            if sighting.start_seconds - TOLERANCE_SECONDS <= at <= sighting.end_seconds + TOLERANCE_SECONDS:
                return sighting
        self.applied.unmatched += 1
        return None


def _rewrite(paths: Sequence[Path], source: str | None, names: _Names) -> None:
    writers = {".csv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}
    staged: list[StagedFile] = []
    try:
        for path in paths:
            staged.append(StagedFile(path, force=True))
            with output_errors(path):
                writers[path.suffix.lower()](path, staged[-1], source, names)
            staged[-1].seal()
        for file in staged:
            file.publish()
    finally:
        for file in staged:
            file.discard()
    names.applied.tables += len(staged)


def _csv(path: Path, staged: StagedFile, source: str | None, names: _Names) -> None:
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or [])
        with open(path, "rb") as start:
            has_mark = start.read(3).decode(errors="replace") == BYTE_ORDER_MARK
        staged.file.write((BYTE_ORDER_MARK * has_mark + ",".join(columns) + "\n").encode())
        if "person" not in columns:
            columns = []
        for row in reader:
            seconds = row.get("timestamp") or row.get("start")
            seen = names.of(source or unguarded(row.get("source", "")), row.get("track_id"), seconds)
            if seen is not None and columns:
                name = guarded(seen.name)
                names.applied.rows += row["person"] != name
                row["person"] = name
                if seen.similarity is not None:
                    row["similarity"] = f"{seen.similarity:.4f}"
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow(row.values())
            staged.file.write(line.getvalue().encode())


def _parquet(path: Path, staged: StagedFile, source: str | None, names: _Names) -> None:
    with pq.ParquetFile(path) as read:
        schema = read.schema_arrow
        with pq.ParquetWriter(staged.file, schema, compression="zstd") as writer:
            for batch in read.iter_batches():
                table = pa.Table.from_batches([batch])
                if "person" in schema.names:
                    table = _renamed(table, source, names)
                writer.write_table(table)


def _renamed(table: pa.Table, source: str | None, names: _Names) -> pa.Table:
    def column(name: str) -> list[Any]:
        values: list[Any] = table.column(name).to_pylist()
        return values

    sources = [source] * table.num_rows if source is not None else column("source")
    times = column("timestamp" if "timestamp" in table.schema.names else "start")
    people, similarities = column("person"), column("similarity")
    for row, (uri, track, seconds) in enumerate(zip(sources, column("track_id"), times, strict=True)):
        seen = names.of(uri, track, seconds)
        if seen is not None:
            names.applied.rows += people[row] != seen.name
            people[row] = seen.name
            similarities[row] = similarities[row] if seen.similarity is None else seen.similarity
    for name, values in (("person", people), ("similarity", similarities)):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def _jsonl(path: Path, staged: StagedFile, _source: str | None, names: _Names) -> None:
    with open(path, encoding="ascii") as file:
        for line in file:
            record = json.loads(line)
            for face in record["faces"]:
                seen = names.of(record["source"], face.get("track_id"), record["timestamp"])
                if seen is not None:
                    names.applied.rows += face.get("person") != seen.name
                    face["person"] = seen.name
                    if seen.similarity is not None:
                        face["similarity"] = round(seen.similarity, 6)
            staged.file.write(json.dumps(record, allow_nan=False).encode("ascii") + b"\n")


def _key(uri: str) -> str:
    """One for all spellings of a file's name."""
    return uri if "://" in uri else spelled(os.path.realpath(uri))
