"""What a run stored of one film, as exports read it: its tracks at once, its faces as a stream.

Memory grows with the number of tracks, never with the number of frames. A face carries the name that its whole track
has at the end, since the first rows of a track are written before anyone is recognised.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from stages.errors import SourceError
from stages.sink.csv import unguarded
from stages.sink.folder import DETECTIONS, METADATA, TRACKS_CSV
from visage.export.clock import FrameClock, exact_rate

__all__ = ["Appearance", "Film", "StoredTrack", "find_films"]

FALLBACK_FPS = 25.0
"""Of sources that state none: timelines need a rate."""
BLOCK_BYTES = 1 << 20
TOLERANCE_SECONDS = 0.0021
"""Tables of tracks have thousandths."""
UNKNOWN = "unknown"

FACE_TYPES = {
    "frame_num": pa.int64(),
    "face_num": pa.int64(),
    "x1": pa.float64(),
    "y1": pa.float64(),
    "x2": pa.float64(),
    "y2": pa.float64(),
    "confidence": pa.float64(),
    "timestamp": pa.float64(),
    "track_id": pa.int64(),
    "quality": pa.float64(),
    "propagated": pa.int8(),
    "person": pa.string(),
    "similarity": pa.float64(),
}


@dataclass(frozen=True, slots=True)
class StoredTrack:
    """One row of `tracks.csv`.

    Attributes:
        label: the person's name, or "Track 7" for one without a name.
        is_named: somebody of the gallery.
        first_frame, last_frame: both inclusive, from 0.
        start_seconds, end_seconds: when those two frames begin.
        best_box_xyxy: pixels, in `best_frame`.
    """

    track_id: int
    label: str
    is_named: bool
    first_frame: int
    last_frame: int
    start_seconds: float
    end_seconds: float
    frames: int
    best_frame: int
    best_seconds: float
    best_box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Appearance:
    """A stretch in which somebody is on screen, in one track or several that overlap or follow without a gap.

    Attributes:
        first_frame, last_frame: both inclusive, from 0.
        start, end: seconds; `end` is when the frame after the last begins.
    """

    label: str
    track_ids: tuple[int, ...]
    first_frame: int
    last_frame: int
    start: Fraction
    end: Fraction

    @property
    def frames(self) -> str:
        """The frames as "120-143", for formats that have only times."""
        return f"{self.first_frame}-{self.last_frame}"


@dataclass(frozen=True, slots=True)
class Film:
    """One film's results.

    Attributes:
        name: the file's name without its ending.
        source: where the film came from, as the metadata says.
        frame_count: frames in the film.
        duration: seconds.
        tracks: sorted by their beginning; None where the run had no tracking.
        is_constant: every track begins when its frame's number says: the frame rate does not vary.
        only: labels that are exported; empty for everyone.
    """

    folder: Path
    name: str
    source: str
    width: int
    height: int
    clock: FrameClock
    frame_count: int
    duration: float
    metadata: Mapping[str, Any]
    tracks: Sequence[StoredTrack] | None
    is_constant: bool
    only: frozenset[str] = frozenset()

    @classmethod
    def read(cls, folder: Path, *, allow_partial: bool = False) -> Film:
        """Read a folder that a run wrote. Raises SourceError: there are no results, or the run was cut short."""
        metadata = _metadata(folder)
        if not metadata.get("complete") and not allow_partial:
            raise SourceError(f"{folder}: the run did not reach the film's end; analyse it again, or give --partial")
        try:
            fps = float(metadata.get("fps") or FALLBACK_FPS)
            clock = FrameClock(exact_rate(fps if fps > 0 else FALLBACK_FPS))
            source = str(metadata["filepath"])
            count = int(metadata["framecount"] or 0)
            width, height = int(metadata["width"]), int(metadata["height"])
            duration = float(metadata.get("duration") or clock.seconds(count))
            tracks = _tracks(folder / TRACKS_CSV)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise SourceError(f"{folder}: damaged results ({exc}); analyse the film again") from exc
        if not (folder / DETECTIONS).is_file():
            raise SourceError(f"{folder}: {DETECTIONS} is missing; analyse the film again")
        is_constant = all(
            abs(seconds - float(clock.seconds(frame))) < TOLERANCE_SECONDS
            for track in tracks or ()
            for frame, seconds in ((track.first_frame, track.start_seconds), (track.last_frame, track.end_seconds))
        )
        name = PurePosixPath(source).stem or folder.name
        return cls(
            folder, name, source, width, height, clock, count, duration, metadata, tracks, is_constant
        )  # fmt: skip

    def restricted_to(self, people: Sequence[str]) -> Film:
        """Return the film with these people alone; all of it for none. Raises SourceError: one is not in the film."""
        labels = {track.label for track in self.tracks or ()}
        for person in people:
            if person not in labels:
                named = sorted({track.label for track in self.tracks or () if track.is_named})
                known = ", ".join(named[:10]) + (" ..." if len(named) > 10 else "") if named else "no one by name"  # noqa: PLR2004
                raise SourceError(f"{self.folder}: {person} is not in this film; in it: {known}")
        return replace(self, only=frozenset(people))

    @property
    def shown(self) -> list[StoredTrack]:
        """The tracks that are exported, by their beginning. Raises SourceError for results without tracks."""
        if self.tracks is None:
            raise SourceError(f"{self.folder}: results without tracks say nothing of time; analyse it with tracking")
        return [track for track in self.tracks if not self.only or track.label in self.only]

    @property
    def people(self) -> dict[str, list[Appearance]]:
        """The appearances of everyone, which do not overlap, by label: those with a name first."""
        found: dict[str, list[Appearance]] = defaultdict(list)
        for track in sorted(self.shown, key=lambda track: not track.is_named):
            one = self._appearance(track)
            last = found[one.label][-1] if found[one.label] else None
            if last is None or (one.first_frame > last.last_frame + 1 and one.start >= last.end):
                found[one.label].append(one)
                continue
            found[one.label][-1] = replace(
                last,
                track_ids=(*last.track_ids, *one.track_ids),
                last_frame=max(last.last_frame, one.last_frame),
                end=max(last.end, one.end),
            )
        return dict(found)

    @property
    def appearances(self) -> list[Appearance]:
        """Everyone's appearances by their beginning."""
        every = [one for stretches in self.people.values() for one in stretches]
        return sorted(every, key=lambda one: (one.first_frame, one.label))

    def faces(self, *columns: str) -> Iterator[list[tuple[Any, ...]]]:
        """Stream the faces that are exported in the order of frames, as tuples of these columns of `FACE_TYPES`.

        Raises SourceError: the table is damaged.
        """
        for batch in self.face_batches(*columns):
            yield list(zip(*(batch.column(name).to_pylist() for name in columns), strict=True))

    def face_batches(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """Stream the same as Arrow batches of about a megabyte, with all columns by default. Raises SourceError."""
        needed = set(columns or FACE_TYPES) | {"track_id", "person"}
        labels = {track.track_id: track.label for track in self.tracks or ()}
        options = arrow_csv.ConvertOptions(
            column_types=FACE_TYPES,
            include_columns=[name for name in FACE_TYPES if name in needed],
            strings_can_be_null=True,
        )
        reading = arrow_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
        try:
            with arrow_csv.open_csv(self.folder / DETECTIONS, reading, convert_options=options) as reader:
                for batch in reader:
                    yield self._labelled(batch, labels)
        except (OSError, pa.ArrowException) as exc:
            raise SourceError(f"{self.folder / DETECTIONS}: can't be read ({exc}); analyse the film again") from exc

    def _labelled(self, batch: pa.RecordBatch, labels: Mapping[int, str]) -> pa.RecordBatch:
        tracks, people = batch.column("track_id").to_pylist(), batch.column("person").to_pylist()
        names = [labels.get(track or 0) or _named(person) for track, person in zip(tracks, people, strict=True)]
        place = batch.schema.get_field_index("person")
        batch = batch.set_column(place, pa.field("person", pa.string()), pa.array(names, pa.string()))
        return batch.filter(pa.array([name in self.only for name in names])) if self.only else batch

    def _appearance(self, track: StoredTrack) -> Appearance:
        if self.is_constant:
            start, end = self.clock.seconds(track.first_frame), self.clock.seconds(track.last_frame + 1)
        else:  # a frame of a variable rate lasts until the next, which no table has; take the average
            start = Fraction(round(track.start_seconds * 1000), 1000)
            end = Fraction(round(track.end_seconds * 1000), 1000) + self.clock.seconds(1)
        return Appearance(track.label, (track.track_id,), track.first_frame, track.last_frame, start, end)


def find_films(path: Path, *, allow_partial: bool = False) -> list[Film]:
    """The films whose results are in the folder, or in folders directly below it.

    Raises SourceError: there are none, or a run was cut short.
    """
    folders = [found.parent for found in [path / METADATA, *sorted(path.glob(f"*/{METADATA}"))] if found.is_file()]
    if not folders:
        raise SourceError(f"{path}: no results; give a folder that visage run --dst wrote")
    return [Film.read(folder, allow_partial=allow_partial) for folder in folders]


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise SourceError(f"{folder / METADATA}: can't be read; analyse the film again") from exc
    if not isinstance(metadata, dict):
        raise SourceError(f"{folder / METADATA}: can't be read; analyse the film again")
    return metadata


def _tracks(path: Path) -> list[StoredTrack] | None:
    if not path.is_file():
        return None
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if "track_id" not in (rows.fieldnames or ()):
            raise ValueError(f"{TRACKS_CSV} has no column track_id")
        tracks = [_track(row) for row in rows]
    return sorted(tracks, key=lambda track: (track.first_frame, track.track_id))


def _track(row: Mapping[str, str]) -> StoredTrack:
    name = _named(row.get("person"))
    x1, y1, x2, y2 = (float(row[side]) for side in ("x1", "y1", "x2", "y2"))
    return StoredTrack(
        track_id=int(row["track_id"]),
        label=name or f"Track {row['track_id']}",
        is_named=name is not None,
        first_frame=int(row["first_frame"]),
        last_frame=int(row["last_frame"]),
        start_seconds=float(row["start"]),
        end_seconds=float(row["end"]),
        frames=int(row["frames"]),
        best_frame=int(row["best_frame"]),
        best_seconds=float(row["best_timestamp"]),
        best_box_xyxy=(x1, y1, x2, y2),
    )


def _named(person: str | None) -> str | None:
    return None if person in (None, "", UNKNOWN) else unguarded(person)
