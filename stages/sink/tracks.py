"""Tracks as tables: one row a track, written when it ends, so that memory stays constant.

track_id            unique within the source, from 1
start, end          seconds from the source's start; first_frame, last_frame: the same as indices, both inclusive
frames              in which the face has a box
best_frame          of the best shot; best_timestamp, x1 .. y2 and best_quality belong to it
embeddings          how many faces went into the embedding
person              who it was decided to be when the track ended, "unknown" for no one known; empty without a gallery
                    and where it was not compared
similarity          cosine to that person's closest picture, or to the closest there is; empty where `person` is

`tracks.parquet` has one more column, `embedding`: their mean weighted by quality, L2 norm 1, null where there is none.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stages.sink.csv import person_fields
from stages.sink.staged import StagedFile, output_errors
from stages.tracks.summary import TrackSummary

__all__ = ["TRACK_COLUMNS", "TracksCsv", "TracksParquet"]

_TYPES = {
    "track_id": pa.int64(),
    "start": pa.float64(),
    "end": pa.float64(),
    "first_frame": pa.int64(),
    "last_frame": pa.int64(),
    "frames": pa.int64(),
    "best_frame": pa.int64(),
    "best_timestamp": pa.float64(),
    "x1": pa.float32(),
    "y1": pa.float32(),
    "x2": pa.float32(),
    "y2": pa.float32(),
    "best_quality": pa.float32(),
    "embeddings": pa.int64(),
    "person": pa.string(),
    "similarity": pa.float32(),
}
TRACK_COLUMNS = tuple(_TYPES)
_FORMAT = "%d,%.3f,%.3f,%d,%d,%d,%d,%.3f,%.2f,%.2f,%.2f,%.2f,%.4f,%d"

ROW_GROUP_ROWS = 1024


class TracksCsv:
    """Writes `tracks.csv`; staged, sealed and published as a `stages.sink.rows.Table`."""

    def __init__(self, path: Path, *, force: bool = False) -> None:
        """Stage the file. Raises OutputExists, OutputFailed."""
        self._staged = StagedFile(path, force=force)
        self._write(",".join(TRACK_COLUMNS) + "\n")

    def append(self, track: TrackSummary) -> None:
        """Add a track that has ended. Raises OutputFailed."""
        self._write(_FORMAT % _row(track) + person_fields(track.identity))

    def seal(self) -> None:
        self._staged.seal()

    def publish(self) -> None:
        self._staged.publish()

    def discard(self) -> None:
        self._staged.discard()

    def _write(self, text: str) -> None:
        with output_errors(self._staged.path):
            self._staged.file.write(text.encode())


class TracksParquet:
    """Writes `tracks.parquet`; staged, sealed and published as a `stages.sink.rows.Table`."""

    def __init__(self, path: Path, *, embedding_dimension: int | None, force: bool = False) -> None:
        """Stage the file; None leaves the column `embedding` out. Raises OutputExists, OutputFailed."""
        self._dimension = embedding_dimension
        fields = list(_TYPES.items())
        if embedding_dimension is not None:
            fields.append(("embedding", pa.list_(pa.float32(), embedding_dimension)))
        self._schema = pa.schema(fields)
        self._waiting: list[TrackSummary] = []
        self._staged = StagedFile(path, force=force)
        with output_errors(path):
            self._writer = pq.ParquetWriter(self._staged.file, self._schema, compression="zstd")

    def append(self, track: TrackSummary) -> None:
        """Add a track that has ended. Raises OutputFailed."""
        self._waiting.append(track)
        if len(self._waiting) >= ROW_GROUP_ROWS:
            self._write_group()

    def seal(self) -> None:
        self._write_group()
        with output_errors(self._staged.path):
            self._writer.close()
        self._staged.seal()

    def publish(self) -> None:
        self._staged.publish()

    def discard(self) -> None:
        self._writer.is_open = False  # or its destructor writes a footer into the closed file and complains
        self._staged.discard()

    def _write_group(self) -> None:
        if not self._waiting:
            return
        tracks, self._waiting = self._waiting, []
        values = zip(*((*_row(track), *_person(track)) for track in tracks), strict=True)
        columns = [pa.array(column, kind) for column, kind in zip(values, _TYPES.values(), strict=True)]
        if self._dimension is not None:
            embeddings = [None if track.embedding is None else track.embedding.tolist() for track in tracks]
            columns.append(pa.array(embeddings, self._schema.field("embedding").type))
        with output_errors(self._staged.path):
            self._writer.write_batch(pa.record_batch(columns, schema=self._schema))


def _person(track: TrackSummary) -> tuple[str | None, float | None]:
    return (None, None) if track.identity is None else (track.identity.name, track.identity.similarity)


def _row(track: TrackSummary) -> tuple[float, ...]:
    x1, y1, x2, y2 = (float(side) for side in track.best_box_xyxy)
    return (
        track.track_id,
        track.start_seconds,
        track.end_seconds,
        track.first_frame,
        track.last_frame,
        track.frames,
        track.best_frame,
        track.best_seconds,
        x1,
        y1,
        x2,
        y2,
        track.best_quality,
        track.embeddings,
    )
