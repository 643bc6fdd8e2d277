"""Faces as CSV: one line a face, a header always, constant memory.

Pixels have two decimals, confidence and timestamp six at most. A frame without a face has no line.

A spreadsheet runs a text that begins with =, +, - or @ as a formula, quoted or not: names and sources that do have an
apostrophe before them, which spreadsheets take for "this is text". JSON Lines and Parquet have the names as they are.
"""

from __future__ import annotations

import csv
import functools
import io
from pathlib import Path

from stages.frames import Faces, Identity, Observation
from stages.sink.rows import FACE_COLUMNS, LANDMARK_COLUMNS, PERSON_COLUMNS, TRACK_COLUMNS, spelled
from stages.sink.staged import StagedFile, output_errors

__all__ = ["CsvTable", "csv_header", "person_fields"]

FACE_FORMAT = "%d,%d,%.2f,%.2f,%.2f,%.2f,%s,%s"
LANDMARK_FORMAT = ",%.2f" * len(LANDMARK_COLUMNS)
NO_LANDMARKS = "," * len(LANDMARK_COLUMNS)
TRACK_FORMAT = ",%d,%.4f,%d"
NO_TRACK = "," * len(TRACK_COLUMNS)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
BYTE_ORDER_MARK = "\ufeff"
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
        if not is_part:
            self._write(csv_header(with_source=with_source, with_mark=with_mark))

    def append(self, observation: Observation, source: str) -> None:
        """Add a frame's faces. Raises OutputFailed."""
        faces, frame = observation.faces, observation.frame
        if not len(faces):
            return
        prefix = f"{_quoted(spelled(source))}," if self._with_source else ""
        timestamp = _plain(frame.pts_seconds)
        boxes = faces.boxes_xyxy.tolist()
        landmarks = None if faces.landmarks is None else faces.landmarks.reshape(len(faces), -1).tolist()
        tracks = _track_fields(faces)
        lines = []
        for number, score in enumerate(faces.scores.tolist()):
            lines.append(prefix + FACE_FORMAT % (frame.index, number, *boxes[number], _plain(score), timestamp))
            lines.append(NO_LANDMARKS if landmarks is None else LANDMARK_FORMAT % tuple(landmarks[number]))
            lines.append(tracks[number])
            lines.append(person_fields(None if faces.identities is None else faces.identities[number]))
        self._write("".join(lines))

    def seal(self) -> None:
        self._staged.seal()

    def publish(self) -> None:
        self._staged.publish()

    def discard(self) -> None:
        self._staged.discard()

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
    csv.writer(line).writerow([f"'{text}" if text.startswith(FORMULA) else text, ""])
    return line.getvalue().removesuffix(",\r\n")


def _track_fields(faces: Faces) -> list[str]:
    """The fields of each face's track."""
    if faces.track_ids is None or faces.quality is None or faces.propagated is None:
        return [NO_TRACK] * len(faces)
    return [
        TRACK_FORMAT % fields
        for fields in zip(faces.track_ids.tolist(), faces.quality.tolist(), faces.propagated.tolist(), strict=True)
    ]


def person_fields(identity: Identity | None) -> str:
    """The last fields of a face's or track's line, with the comma before them and the line's end."""
    return NO_PERSON if identity is None else f",{_quoted(identity.name)},{identity.similarity:.4f}\n"


def _plain(value: float) -> str:
    """A decimal without exponent and trailing zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
