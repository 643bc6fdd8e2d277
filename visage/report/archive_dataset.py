"""The archive as tidy Parquet, a folder a film: a row for each track of somebody who has a name.

`dataset/film=NAME/part-0.parquet` is what pandas, R's arrow and DuckDB read as one table with a column `film`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from visage.report.archive import Archive, ArchiveFilm

__all__ = ["COLUMNS", "write_dataset"]

COLUMNS = {
    "person": pa.string(),
    "track_id": pa.int64(),
    "start": pa.float64(),
    "end": pa.float64(),
    "seconds": pa.float64(),
    "first_frame": pa.int64(),
    "last_frame": pa.int64(),
    "best_quality": pa.float32(),
    "film_seconds": pa.float64(),
}
"""Of each row; behind them come the columns of the table of films, as text."""


def write_dataset(archive: Archive, folder: Path) -> None:
    """Write the set; one that was there is replaced when the new one is whole. Raises OSError."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    extra = [column for column in archive.columns if column not in COLUMNS and column != "film"]
    schema = pa.schema([*COLUMNS.items(), *((column, pa.string()) for column in extra)])
    try:
        for film in archive.films:
            place = part / f"film={quote(film.name, safe=' ')}"
            place.mkdir(parents=True)
            pq.write_table(_table(film, extra, schema), place / "part-0.parquet", compression="zstd")
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _table(film: ArchiveFilm, extra: list[str], schema: pa.Schema) -> pa.Table:
    about = [film.about.get(column) for column in extra]
    rows = [
        (
            track.person,
            track.track_id,
            track.start_seconds,
            track.end_seconds,
            track.end_seconds - track.start_seconds,
            track.first_frame,
            track.last_frame,
            track.quality,
            film.seconds,
            *about,
        )
        for track in film.tracks
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(values, one.type) for values, one in zip(columns, schema, strict=True)], schema=schema)
