"""Faces as CSV: one line a face, a header always, constant memory.

Pixels have two decimals, confidence and timestamp six at most. A frame without a face has no line. Rows are formatted
as columns, a thousand at once, by Arrow's compute functions: 4.3 to 6.4 us of CPU a face (8 to 1 in a frame) for the
bytes that Python's formatting made in 6.0 to 9.6. Arrow's CSV writer has no fixed decimals.

A spreadsheet runs a text that begins with =, +, - or @ as a formula, quoted or not: names and sources that do have an
apostrophe before them, which spreadsheets take for "this is text". JSON Lines and Parquet have the names as they are.
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stages.frames import Faces, FloatArray, Identity, Observation
from stages.sink.rows import FACE_COLUMNS, LANDMARK_COLUMNS, PERSON_COLUMNS, TRACK_COLUMNS, spelled
from stages.sink.staged import StagedFile, output_errors

__all__ = ["BYTE_ORDER_MARK", "CsvTable", "csv_header", "guarded", "person_fields", "unguarded"]

BATCH_ROWS = 1024
"""Rows that wait to be written as columns, with their embeddings 2 MiB: larger batches are no faster."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
BYTE_ORDER_MARK = "\ufeff"
MAX_DECIMAL = 1e9
NO_PERSON = "," * len(PERSON_COLUMNS) + "\n"


class CsvTable:
    """Writes faces to a staged CSV file, UTF-8, lines end in LF. Implements `stages.sink.rows.Table`."""

    def __init__(
        self,
        path: Path,
        *,
        force: bool = False,
        with_source: bool = False,
        with_mark: bool = False,
        is_part: bool = False,
    ) -> None:
        """Stage the file. Raises OutputExists, OutputFailed.

        Args:
            with_source: add a first column `source`.
            with_mark: begin with a byte order mark, without which Excel reads names as of another encoding.
            is_part: leave the header out: the file is joined with others behind one.
        """
        self._staged = StagedFile(path, force=force, durable=not is_part)
        self._with_source = with_source
        self._source = ""
        self._waiting: list[tuple[int, float, Faces]] = []
        self._waiting_rows = 0
        if not is_part:
            self._write(csv_header(with_source=with_source, with_mark=with_mark))

    def append(self, observation: Observation, source: str) -> None:
        """Add a frame's faces. Raises OutputFailed."""
        faces, frame = observation.faces, observation.frame
        if not len(faces):
            return
        if source != self._source or (self._waiting and _fields(faces) != _fields(self._waiting[0][2])):
            self._write_waiting()
        self._source = source
        self._waiting.append((frame.index, frame.pts_seconds, faces))
        self._waiting_rows += len(faces)
        if self._waiting_rows >= BATCH_ROWS:
            self._write_waiting()

    def seal(self) -> None:
        self._write_waiting()
        self._staged.seal()

    def publish(self) -> None:
        self._staged.publish()

    def discard(self) -> None:
        self._staged.discard()

    def _write_waiting(self) -> None:
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        if waiting:
            columns = _columns(waiting)
            if self._with_source:
                columns.insert(0, pa.scalar(_quoted(spelled(self._source))))
            lines = pc.binary_join_element_wise(*columns, ",")
            _, offsets, text = lines.buffers()
            length = np.frombuffer(offsets, np.int32)[len(lines)]
            with output_errors(self._staged.path):
                self._staged.file.write(memoryview(text)[:length])

    def _write(self, text: str) -> None:
        with output_errors(self._staged.path):
            self._staged.file.write(text.encode())


def csv_header(*, with_source: bool, with_mark: bool) -> str:
    """Return the first line, behind a byte order mark if that is wanted."""
    names = (*FACE_COLUMNS, *LANDMARK_COLUMNS, *TRACK_COLUMNS, *PERSON_COLUMNS)
    return BYTE_ORDER_MARK * with_mark + ",".join(("source", *names) if with_source else names) + "\n"


@functools.lru_cache(maxsize=256)
def _quoted(text: str) -> str:
    """A field's text, no formula, quoted where needed. Remembered: names and sources come again and again."""
    line = io.StringIO()
    csv.writer(line).writerow([guarded(text), ""])
    return line.getvalue().removesuffix(",\r\n")


def guarded(text: str) -> str:
    """A field that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def unguarded(text: str) -> str:
    """Return the text that `guarded` was given."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def _fields(faces: Faces) -> tuple[bool, bool, bool]:
    """Whether faces have landmarks, tracks, and sharpness and pose: those of one batch have the same."""
    has_tracks = faces.track_ids is not None and faces.quality is not None and faces.propagated is not None
    return faces.landmarks is not None, has_tracks, faces.sharpness is not None and faces.pose is not None


def _columns(frames: Sequence[tuple[int, float, Faces]]) -> list[pa.Array | pa.Scalar]:
    """The fields of all faces of these frames (index, seconds, faces) as text; the last ends its line."""
    all_faces = [faces for _, _, faces in frames]
    counts = [len(faces) for faces in all_faces]
    rows = np.repeat(np.arange(len(frames)), counts)
    has_landmarks, has_tracks, has_views = _fields(all_faces[0])
    numbers = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    pixels = np.concatenate([faces.boxes_xyxy for faces in all_faces])
    if has_landmarks:
        points = np.concatenate([faces.landmarks for faces in all_faces if faces.landmarks is not None])
        pixels = np.concatenate([pixels, points.reshape(len(points), -1)], axis=1)
    texts = _decimals(pixels.T.ravel(), 2)
    columns = [texts.slice(start, len(rows)) for start in range(0, len(texts), len(rows))]
    columns[4:4] = [
        _plain_decimals(_decimals(np.concatenate([faces.scores for faces in all_faces]), 6)),
        pa.array([_plain(seconds) for _, seconds, _ in frames]).take(rows),
    ]
    columns[:0] = [pa.array([str(index) for index, _, _ in frames]).take(rows), _integers(numbers)]
    columns += [] if has_landmarks else [pa.scalar("")] * len(LANDMARK_COLUMNS)
    if has_tracks:
        track_ids = np.concatenate([faces.track_ids for faces in all_faces if faces.track_ids is not None])
        quality = np.concatenate([faces.quality for faces in all_faces if faces.quality is not None])
        propagated = np.concatenate([faces.propagated for faces in all_faces if faces.propagated is not None])
        columns += [_integers(track_ids), _decimals(quality, 4), _integers(propagated.astype(np.int8))]
    else:
        columns += [pa.scalar("")] * 3
    if has_views:
        sharpness = np.concatenate([faces.sharpness for faces in all_faces if faces.sharpness is not None])
        pose = np.concatenate([faces.pose for faces in all_faces if faces.pose is not None])
        columns += [_decimals(sharpness, 4), _decimals(pose, 4)]
    else:
        columns += [pa.scalar("")] * 2
    identities = [one for faces in all_faces for one in (faces.identities or [None] * len(faces))]
    return [*columns, pa.array([person_fields(identity).removeprefix(",") for identity in identities])]


def _decimals(values: FloatArray, decimals: int) -> pa.Array:
    """Numbers, float32 (N,), as `%.2f` and the like write them.

    Their product with the power of ten is exact in float64, so that both round the same value, half to even.
    """
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) >= MAX_DECIMAL:
        return pa.array([f"{value:.{decimals}f}" for value in values.tolist()])
    rounded = pc.round(pa.array(values.astype(np.float64)), decimals, round_mode="half_to_even")
    texts = pc.cast(pc.cast(rounded, pa.decimal128(18, decimals)), pa.string())
    is_negative_zero = np.signbit(values) & (rounded.to_numpy() == 0)
    if is_negative_zero.any():
        texts = pc.if_else(pa.array(is_negative_zero), f"-{0:.{decimals}f}", texts)
    return texts


def _integers(values: NDArray[np.integer[Any]]) -> pa.Array:
    return pc.cast(pa.array(values), pa.string())


def _plain_decimals(texts: pa.Array) -> pa.Array:
    """Without trailing zeros."""
    return pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), ".")


def person_fields(identity: Identity | None) -> str:
    """The last fields of a face's or track's line, with the comma before them and the line's end."""
    return NO_PERSON if identity is None else f",{_quoted(identity.name)},{identity.similarity:.4f}\n"


def _plain(value: float) -> str:
    """A decimal without exponent and trailing zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
