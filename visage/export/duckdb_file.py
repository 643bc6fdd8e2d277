"""A DuckDB database: the tables `films`, `tracks` and `faces`."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from stages.errors import SinkError
from stages.installing import install_command
from visage.export.film import FACE_TYPES, Film

__all__ = ["write_duckdb"]


def write_duckdb(film: Film, path: Path) -> None:
    """Make the database, which must not exist. Raises SourceError, and SinkError where the library is missing."""
    try:
        import duckdb  # noqa: PLC0415  # an extra
    except ImportError as exc:
        raise SinkError(f"this format needs duckdb: {install_command('export')}") from exc

    films = pa.table(
        {
            "film": [film.name],
            "source": [film.source],
            "width": [film.width],
            "height": [film.height],
            "fps_numerator": [film.clock.rate.numerator],
            "fps_denominator": [film.clock.rate.denominator],
            "frames": [film.frame_count],
            "seconds": [film.duration],
        }
    )
    shown = film.shown if film.tracks is not None else []
    names = ("track_id", "label", "is_named", "first_frame", "last_frame", "start_seconds", "end_seconds", "frames",
             "best_frame", "best_seconds")  # fmt: skip
    kinds = (pa.int64(), pa.string(), pa.bool_(), pa.int64(), pa.int64(), pa.float64(), pa.float64(), pa.int64(),
             pa.int64(), pa.float64())  # fmt: skip
    tracks = pa.table({name: pa.array([getattr(track, name) for track in shown], kind)
                       for name, kind in zip(names, kinds, strict=True)})  # fmt: skip
    faces = pa.RecordBatchReader.from_batches(pa.schema(FACE_TYPES), film.face_batches())
    with duckdb.connect(str(path), config={"threads": 1}) as database:
        for name, content in (("films", films), ("tracks", tracks), ("faces", faces)):
            database.register("content", content)
            database.execute(f"CREATE TABLE {name} AS SELECT * FROM content")
            database.unregister("content")
