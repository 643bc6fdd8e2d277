"""What an analysis saw, as the planner needs it: tracks of boxes with their scores, from a run's tables or a run now.

Faces without a track, or with one in doubt, are joined to a track of their own by their overlap from frame to frame:
each of them is covered.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from stages.sink.folder import DETECTIONS, METADATA
from stages.track.scheduling import LONGEST
from visage.analysis import analyze
from visage.config import Settings
from visage.redaction.errors import ResultsRefused

__all__ = ["ObservedFace", "ObservedFilm", "ObservedTrack", "analysed_film", "stored_film"]

SAME_OVERLAP = 0.3
MAX_UNSEEN = 12
"""IoU, and frames, up to which a face without a track belongs to the last one there."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ObservedFace:
    """One face in one frame; `box_xyxy`: pixels of the upright frame; `is_detected`: it was not followed here."""

    frame: int
    box_xyxy: Box
    score: float
    is_detected: bool = True
    person: str | None = None


@dataclass(slots=True)
class ObservedTrack:
    """One face through time, frame by frame."""

    faces: list[ObservedFace] = field(default_factory=list)

    @property
    def person(self) -> str | None:
        """The name that it had last; None if it never had one."""
        return next((face.person for face in reversed(self.faces) if face.person), None)


@dataclass(frozen=True, slots=True)
class ObservedFilm:
    """What an analysis saw of a film.

    Attributes:
        path: the film.
        rotation: clockwise turn that makes its coded pictures upright, in degrees; None as the file itself asks for.
        interval: the detector saw at least every frame whose index is a multiple of this.
        seconds: what was analysed, from the first up to the second, or to the film's end.
        frames: how many it has, where that is known.
        made: how, for people.
        warnings: what was left out.
    """

    path: Path
    tracks: list[ObservedTrack]
    rotation: int | None = None
    interval: int = 1
    seconds: tuple[float, float | None] = (0.0, None)
    frames: int | None = None
    made: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


SEEN_SETTINGS = ("detector_size", "score_threshold", "keep_threshold", "min_face_pixels")


def analysed_film(path: Path, settings: Settings) -> ObservedFilm:
    """Analyse a film now. Raises as `visage.analyze`."""
    tracks = _Tracks()
    for frame in analyze(path, settings):
        for face in frame.faces:
            name = None if face.identity is None else face.identity.name
            seen = ObservedFace(frame.index, face.box_xyxy, face.score, not face.propagated, name)
            tracks.add(face.track_id or 0, seen)
    made = {"detector": settings.detector, **_chosen(settings.model_dump(mode="json"))}
    interval = LONGEST if settings.frameskip == "auto" else settings.frameskip
    return ObservedFilm(
        path=path,
        tracks=tracks.finished(),
        interval=interval,
        seconds=(settings.start_seconds, settings.end_seconds),
        made=made,
        warnings=_warnings(settings.model_dump(mode="json")),
    )


def stored_film(folder: Path, film: Path | None = None) -> ObservedFilm:
    """Read the results of a run, `detections.csv` and `metadata.json`.

    Args:
        film: where the film is now, if the metadata does not say.

    Raises:
        ResultsRefused: they are not there, of a camera, or not whole.
    """
    try:
        metadata = json.loads((folder / METADATA).read_text())
        settings: Mapping[str, Any] = metadata.get("settings") or {}
        path = film or Path(metadata["filepath"])
        interval = metadata["frameskip"]
    except FileNotFoundError as error:
        raise ResultsRefused(f"{folder}: no results of a run; name a film, or a folder that `--dst` named") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsRefused(f"{folder / METADATA}: damaged; analyse the film again") from error
    if not metadata.get("complete"):
        raise ResultsRefused(f"{folder}: the results of a run that did not reach the end; analyse the film again")
    if not path.is_file():
        raise ResultsRefused(f"{path}: the film of {folder} is not there; say where it is with --film")
    is_part = bool(settings.get("start_seconds") or settings.get("end_seconds") is not None)
    tracks = _Tracks()
    try:
        with (folder / DETECTIONS).open(newline="", encoding="utf-8-sig") as table:
            for row in csv.DictReader(table):
                tracks.add(int(row["track_id"] or 0), _face(row))
    except FileNotFoundError as error:
        raise ResultsRefused(f"{folder / DETECTIONS}: not there; analyse the film again with --dst") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsRefused(f"{folder / DETECTIONS}: damaged; analyse the film again") from error
    return ObservedFilm(
        path=path,
        tracks=tracks.finished(),
        rotation=int(metadata.get("rotation") or 0),
        interval=LONGEST if interval == "auto" else int(interval),
        seconds=(float(settings.get("start_seconds") or 0), settings.get("end_seconds")),
        frames=None if is_part else int(metadata["framecount"]),
        made={"detector": str(metadata.get("detector")), **_chosen(settings)},
        warnings=_warnings(settings),
    )


def _face(row: Mapping[str, str]) -> ObservedFace:
    box = (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"]))
    name = row.get("person") or None
    return ObservedFace(
        int(row["frame_num"]),
        box,
        float(row["confidence"]),
        row.get("propagated") != "1",
        None if name == "unknown" else name,
    )


def _chosen(settings: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(settings[name]) for name in ("frameskip", *SEEN_SETTINGS) if settings.get(name) is not None}


def _warnings(settings: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    if settings.get("min_face_pixels"):
        found.append(f"faces below {settings['min_face_pixels']} pixels were left out of the analysis")
    if (settings.get("score_threshold") or 0) > 0.6:  # noqa: PLR2004 - the detector's own
        found.append(f"faces with scores below {settings['score_threshold']} were left out of the analysis")
    return tuple(found)


class _Tracks:
    """Gathers faces by their track; those of none are joined by overlap."""

    def __init__(self) -> None:
        self._tracks: dict[int, ObservedTrack] = {}
        self._loose: list[ObservedFace] = []

    def add(self, track_id: int, face: ObservedFace) -> None:
        if track_id > 0:
            self._tracks.setdefault(track_id, ObservedTrack()).faces.append(face)
        else:
            self._loose.append(face)

    def finished(self) -> list[ObservedTrack]:
        tracks = [*self._tracks.values(), *_joined(self._loose)]
        for track in tracks:
            track.faces.sort(key=attrgetter("frame"))
        return sorted(tracks, key=lambda track: track.faces[0].frame)


def _joined(faces: Iterable[ObservedFace]) -> Iterator[ObservedTrack]:
    open_tracks: list[ObservedTrack] = []
    for frame, together in groupby(sorted(faces, key=attrgetter("frame")), key=attrgetter("frame")):
        yield from (one for one in open_tracks if frame - one.faces[-1].frame > MAX_UNSEEN)
        open_tracks = [one for one in open_tracks if frame - one.faces[-1].frame <= MAX_UNSEEN]
        free = list(open_tracks)
        for face in together:
            best = max(free, key=lambda one: overlap(one.faces[-1].box_xyxy, face.box_xyxy), default=None)
            if best is not None and overlap(best.faces[-1].box_xyxy, face.box_xyxy) >= SAME_OVERLAP:
                best.faces.append(face)
                free.remove(best)
            else:
                open_tracks.append(ObservedTrack([face]))
    yield from open_tracks


def overlap(one: Box, other: Box) -> float:
    """Return the IoU of two boxes in pixels: 0 to 1."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return wide * high / (both - wide * high)
