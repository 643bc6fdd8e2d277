"""Faces as Parquet: one row a face, in row groups of bounded size, so that memory stays constant.

Columns as in `rows`, `source` first; geometry is float32, the embedding a fixed-size list of float32. A detector
without landmarks gives nulls there; so does a face that was not embedded, a run without tracking, one without people.
What the last incomplete row group holds is lost with the process, as is the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages.frames import Faces, Observation
from stages.sink.rows import LANDMARK_COLUMNS, spelled
from stages.sink.staged import StagedFile, output_errors

__all__ = ["ParquetTable"]

# 4096 embeddings of 512 float32 are 8 MiB: a group worth a reader's seek, and no burden on the writer.
ROW_GROUP_ROWS = 4096


class ParquetTable:
    """Writes faces to a staged Parquet file. Implements `stages.sink.rows.Table`."""

    def __init__(
        self, path: Path, *, embedding_dimension: int | None, force: bool = False, is_part: bool = False
    ) -> None:
        """
        Args:
            path: the target.
            embedding_dimension: length of an embedding; None leaves the column `embedding` out.
            force: replace a file that exists.
            is_part: the file is joined with others, and not brought to disk by itself.

        Raises:
            OutputExists, OutputFailed.
        """
        self._dimension = embedding_dimension
        self._schema = _schema(embedding_dimension)
        self._waiting: list[_FrameRows] = []
        self._waiting_rows = 0
        self._staged = StagedFile(path, force=force, durable=not is_part)
        with output_errors(path):
            self._writer = pq.ParquetWriter(self._staged.file, self._schema, compression="zstd")

    def append(self, observation: Observation, source: str) -> None:
        """Add a frame's faces. Raises OutputFailed, and ValueError where embeddings are due but missing."""
        faces = observation.faces
        if not len(faces):
            return
        if self._dimension is not None and faces.embeddings is None:
            raise ValueError("this table has embeddings, these faces have none")
        self._waiting.append(_FrameRows(spelled(source), observation.frame.index, observation.frame.pts_seconds, faces))
        self._waiting_rows += len(faces)
        if self._waiting_rows >= ROW_GROUP_ROWS:
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
        batch = pa.record_batch(self._columns(), schema=self._schema)
        self._waiting.clear()
        self._waiting_rows = 0
        with output_errors(self._staged.path):
            self._writer.write_batch(batch)

    def _columns(self) -> list[pa.Array]:
        waiting = self._waiting
        all_faces = [rows.faces for rows in waiting]
        counts = [len(faces) for faces in all_faces]
        boxes = np.concatenate([faces.boxes_xyxy for faces in all_faces])
        indices = np.array([rows.frame_index for rows in waiting], np.int64)
        times = np.array([rows.pts_seconds for rows in waiting], np.float64)
        columns = [
            pa.array([rows.source for rows in waiting for _ in range(len(rows.faces))]),
            pa.array(np.repeat(indices, counts)),
            pa.array(np.concatenate([np.arange(count, dtype=np.int32) for count in counts])),
            *(pa.array(boxes[:, column]) for column in range(4)),
            pa.array(np.concatenate([faces.scores for faces in all_faces])),
            pa.array(np.repeat(times, counts)),
            *_landmark_columns(all_faces),
            *_track_columns(all_faces),
            *_person_columns(all_faces),
        ]
        if self._dimension is not None:
            embeddings = np.concatenate([faces.embeddings for faces in all_faces if faces.embeddings is not None])
            is_missing = pa.array(~embeddings.any(axis=1))
            columns.append(
                pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), self._dimension, mask=is_missing)
            )
        return columns


class _FrameRows(NamedTuple):
    """What is kept of an observation until its row group is written: all but the picture."""

    source: str
    frame_index: int
    pts_seconds: float
    faces: Faces


def _schema(embedding_dimension: int | None) -> pa.Schema:
    fields = [
        ("source", pa.string()),
        ("frame_num", pa.int64()),
        ("face_num", pa.int32()),
        *((name, pa.float32()) for name in ("x1", "y1", "x2", "y2", "confidence")),
        ("timestamp", pa.float64()),
        *((name, pa.float32()) for name in LANDMARK_COLUMNS),
        ("track_id", pa.int64()),
        ("quality", pa.float32()),
        ("propagated", pa.bool_()),
        ("sharpness", pa.float32()),
        ("pose", pa.float32()),
        ("person", pa.string()),
        ("similarity", pa.float32()),
    ]
    if embedding_dimension is not None:
        fields.append(("embedding", pa.list_(pa.float32(), embedding_dimension)))
    return pa.schema(fields)


def _landmark_columns(all_faces: list[Faces]) -> list[pa.Array]:
    width = len(LANDMARK_COLUMNS)
    points: NDArray[np.float32] = np.concatenate(
        [
            np.full((len(faces), width), np.nan, np.float32)
            if faces.landmarks is None
            else faces.landmarks.reshape(len(faces), width)
            for faces in all_faces
        ]
    )
    return [pa.array(points[:, column], from_pandas=True) for column in range(width)]  # NaN becomes null


def _person_columns(all_faces: list[Faces]) -> list[pa.Array]:
    identities = [one for faces in all_faces for one in (faces.identities or [None] * len(faces))]
    return [
        pa.array([None if one is None else one.name for one in identities], pa.string()),
        pa.array([None if one is None else one.similarity for one in identities], pa.float32()),
    ]


def _track_columns(all_faces: list[Faces]) -> list[pa.Array]:
    kinds: list[tuple[pa.DataType, list[NDArray[np.generic] | None]]] = [
        (pa.int64(), [faces.track_ids for faces in all_faces]),
        (pa.float32(), [faces.quality for faces in all_faces]),
        (pa.bool_(), [faces.propagated for faces in all_faces]),
        (pa.float32(), [faces.sharpness for faces in all_faces]),
        (pa.float32(), [faces.pose for faces in all_faces]),
    ]
    return [
        pa.concat_arrays(
            [
                pa.nulls(len(faces), kind) if values is None else pa.array(values, kind)
                for faces, values in zip(all_faces, arrays, strict=True)
            ]
        )
        for kind, arrays in kinds
    ]
