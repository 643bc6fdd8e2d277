"""Reads what a run stored of one film: its metadata, its tracks and the boxes in its frames."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from stages.errors import SourceError, SourceUnreadable
from stages.sink.csv import unguarded
from stages.sink.folder import DETECTIONS, METADATA, TRACKS_CSV
from visage.export.rate import exact_rate

__all__ = ["Appearance", "Boxes", "Film", "FilmResults", "Track", "find_results"]

FALLBACK_FPS = 25.0
"""Of films that state no frame rate; their own times are used where a format has times."""

COLUMNS = {
    "frame_num": pa.int64(),
    "timestamp": pa.float64(),
    "x1": pa.float32(),
    "y1": pa.float32(),
    "x2": pa.float32(),
    "y2": pa.float32(),
    "confidence": pa.float32(),
}


@dataclass(frozen=True, slots=True)
class Film:
    """The film that was analysed.

    Attributes:
        name: of its file, without the suffix.
        path: as it was given to the run.
        width, height: of the upright picture, pixels.
        rate: frames a second.
        frames: number of frames.
        seconds: duration.
        is_complete: the run reached the film's end without a loss.
    """

    name: str
    path: str
    width: int
    height: int
    rate: Fraction
    frames: int
    seconds: float
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Track:
    """One face through time.

    Attributes:
        label: the person's name, or the track's number where nobody was named.
        person: the name, or None.
        first_frame, last_frame: both inclusive.
        start_seconds: of the first frame. end_seconds: when the frame after the last one would be shown.
        best_seconds: of the frame that shows the face best.
        best_box_xyxy: there, pixels.
    """

    track_id: int
    label: str
    person: str | None
    first_frame: int
    last_frame: int
    start_seconds: float
    end_seconds: float
    best_frame: int
    best_seconds: float
    best_box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Appearance:
    """Somebody on screen without a break: tracks of one name that overlap or follow each other directly."""

    label: str
    first_frame: int
    last_frame: int
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Boxes:
    """Faces in frames, a row each, in the order of the table.

    Attributes:
        frames, track_ids: int64 (N,). A face without a track has 0.
        seconds: float64 (N,).
        xyxy: float32 (N, 4), pixels.
        scores: float32 (N,).
    """

    frames: NDArray[np.int64]
    seconds: NDArray[np.float64]
    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    track_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frames)

    def by_track(self) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield each track's number and rows, in the order of frames; faces without a track are left out."""
        order = np.lexsort((self.frames, self.track_ids))
        numbers, starts = np.unique(self.track_ids[order], return_index=True)
        for number, rows in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            if number:
                yield number, rows

    def by_frame(self) -> Iterator[tuple[int, float, slice]]:
        """Yield each frame that has faces, its seconds and its rows."""
        frames, starts = np.unique(self.frames, return_index=True)
        ends = [*starts[1:].tolist(), len(self)]
        for frame, start, end in zip(frames.tolist(), starts.tolist(), ends, strict=True):
            yield frame, float(self.seconds[start]), slice(start, end)


class FilmResults:
    """The results of one film in a folder. Tables are read when they are asked for, and kept."""

    def __init__(self, folder: Path) -> None:
        """Read the metadata. Raises SourceError where the folder holds no results of this kind."""
        self.folder = folder
        self.film = _read_film(folder)

    def __repr__(self) -> str:
        return f"<FilmResults {self.folder}>"

    @cached_property
    def tracks(self) -> Sequence[Track]:
        """The tracks by their first frame; none where the run did not track. Raises SourceUnreadable."""
        path = self.folder / TRACKS_CSV
        if not path.is_file():
            return ()
        with _reading(path), path.open(newline="", encoding="utf-8-sig") as file:
            return tuple(self._track(row) for row in csv.DictReader(file))

    @cached_property
    def boxes(self) -> Boxes:
        """All faces of all frames: 40 bytes each. Raises SourceUnreadable."""
        path = self.folder / DETECTIONS
        with _reading(path):
            has_tracks = "track_id" in _header(path)
            types = {**COLUMNS, **({"track_id": pa.int64()} if has_tracks else {})}
            table = pa_csv.read_csv(
                path, convert_options=pa_csv.ConvertOptions(include_columns=[*types], column_types=types)
            )
        columns = {name: table[name].to_numpy() for name in types}
        track_ids = np.nan_to_num(columns.get("track_id", np.zeros(len(table)))).astype(np.int64)
        return Boxes(
            frames=columns["frame_num"],
            seconds=columns["timestamp"],
            xyxy=np.stack([columns[name] for name in ("x1", "y1", "x2", "y2")], axis=1),
            scores=columns["confidence"],
            track_ids=track_ids,
        )

    def labels(self) -> dict[int, str]:
        """Return the label of each track."""
        return {track.track_id: track.label for track in self.tracks}

    def appearances(self) -> list[Appearance]:
        """Return who is on screen from when to when, by time; nobody twice at once."""
        found: list[Appearance] = []
        last: dict[str, int] = {}
        for track in self.tracks:
            at = last.get(track.label)
            if at is not None and track.first_frame <= found[at].last_frame + 1:
                one = found[at]
                found[at] = Appearance(
                    one.label,
                    one.first_frame,
                    max(one.last_frame, track.last_frame),
                    one.start_seconds,
                    max(one.end_seconds, track.end_seconds),
                )
                continue
            last[track.label] = len(found)
            found.append(
                Appearance(track.label, track.first_frame, track.last_frame, track.start_seconds, track.end_seconds)
            )
        return found

    def _track(self, row: dict[str, str]) -> Track:
        number = int(row["track_id"])
        person = unguarded(row.get("person") or "") or None
        x1, y1, x2, y2 = (float(row[name]) for name in ("x1", "y1", "x2", "y2"))
        return Track(
            track_id=number,
            label=person or f"Track {number}",
            person=person,
            first_frame=int(row["first_frame"]),
            last_frame=int(row["last_frame"]),
            start_seconds=float(row["start"]),
            end_seconds=float(row["end"]) + float(1 / self.film.rate),
            best_frame=int(row["best_frame"]),
            best_seconds=float(row["best_timestamp"]),
            best_box_xyxy=(x1, y1, x2, y2),
        )


def find_results(path: Path) -> list[FilmResults]:
    """Return the results in a folder that `--dst` wrote, of one or of several films.

    Raises SourceError where there are none.
    """
    folders = [found.parent for found in [path / METADATA, *sorted(path.glob(f"*/{METADATA}"))] if found.is_file()]
    if not folders:
        raise SourceError(f"{path}: no results; give a folder that --dst wrote, not a single table")
    return [FilmResults(folder) for folder in folders]


def _read_film(folder: Path) -> Film:
    path = folder / METADATA
    with _reading(path):
        record: dict[str, Any] = json.loads(path.read_text())
        fps = record["fps"] or FALLBACK_FPS
        frames = int(record["framecount"] or record["frames_decoded"])
        return Film(
            name=folder.name if not record["filepath"] else Path(record["filepath"]).stem,
            path=record["filepath"],
            width=int(record["width"]),
            height=int(record["height"]),
            rate=exact_rate(float(fps)),
            frames=frames,
            seconds=float(record["duration"] or frames / fps),
            is_complete=bool(record["complete"]),
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what is wrong with a file into one line."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as exc:  # PyArrow's errors are ValueErrors
        raise SourceUnreadable(f"{path}: can't be read as a run's results; analyse the film again") from exc


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig") as file:
        return file.readline().strip().split(",")
