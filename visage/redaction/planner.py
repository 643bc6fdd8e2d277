"""Makes the plan: tracks padded and bridged, what is uncertain listed with a picture each.

A gap of up to `bridge_seconds` within a track, or between two tracks of which the second begins where the first has
ended, is bridged by a straight line. Before its first face and after its last a track goes on for `pad_seconds`, and at
least until the detector looked again; there its box grows, for nobody knows which way the face went.
"""

from __future__ import annotations

import bisect
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import av
import numpy as np

from stages.redact.lines import corners
from visage import __version__
from visage.redaction.doubt import Doubt, DoubtLimits, doubts_within, is_at_border, merged
from visage.redaction.errors import ResultsRefused
from visage.redaction.observed import Box, ObservedFilm, ObservedTrack, overlap
from visage.redaction.plan import Plan, Source, Stretch, Style, Track
from visage.redaction.survey import Survey, survey_film

__all__ = ["PlanOptions", "file_sha256", "plan_redaction"]

BOX_TOLERANCE = 0.01
"""Part of a box's shorter side by which its line may miss it; the margin covers more."""

HASH_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a plan adds to an analysis.

    Attributes:
        pad_seconds: before the first and after the last detection of a track.
        bridge_seconds: the longest gap that is bridged.
        growth: of a box at the far end of its padding, at each side, as a part of its width and height.
    """

    pad_seconds: float = 0.5
    bridge_seconds: float = 1.0
    growth: float = 0.3
    style: Style = field(default_factory=Style)
    limits: DoubtLimits = field(default_factory=DoubtLimits)


def plan_redaction(
    film: ObservedFilm,
    options: PlanOptions | None = None,
    *,
    base: Path | None = None,
    on_frame: Callable[[int], None] | None = None,
) -> Plan:
    """Make the plan of a film that was analysed.

    Args:
        base: the plan's folder: the film's path is told from there; absolute if None.
        on_frame: called with the number of each frame that the survey has passed.

    Raises:
        SourceError: the film can't be read again.
        ResultsRefused: they are of another film.
        OSError
    """
    options = options or PlanOptions()
    observed = film.tracks
    wanted = _WantedPictures(observed, options.limits)
    shown = _Boxes(observed)
    survey = survey_film(
        str(film.path), rotation=film.rotation, boxes_at=shown.at, wanted=wanted.wants, on_frame=on_frame
    )
    if film.frames is not None and film.frames != survey.frames:
        raise ResultsRefused(
            f"{film.path}: has {survey.frames} frames, the results are of one that has {film.frames}; analyse it again"
        )
    planner = _Planner(film, survey, options)
    path = film.path.resolve()
    return Plan(
        source=Source(
            path=str(path) if base is None else os.path.relpath(path, base.resolve()),
            sha256=file_sha256(path),
            bytes=path.stat().st_size,
            width=survey.width,
            height=survey.height,
            rotation=survey.rotation,
            frames=survey.frames,
            clock=survey.clock,
        ),
        made={
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "visage": __version__,
            "av": av.__version__,
            **film.made,
            "pad_seconds": str(options.pad_seconds),
            "bridge_seconds": str(options.bridge_seconds),
        },
        warnings=list(film.warnings),
        style=options.style,
        analysed=planner.analysed(),
        tracks=planner.tracks(),
        uncertain=planner.uncertain(),
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class _Planner:
    """One film's tracks and stretches."""

    def __init__(self, film: ObservedFilm, survey: Survey, options: PlanOptions) -> None:
        self._survey = survey
        self._options = options
        self._interval = film.interval
        self._end = film.seconds[1]
        self._begin = film.seconds[0]
        seconds = max(survey.frame_seconds, 1e-3)
        self._pad = max(round(options.pad_seconds / seconds), film.interval)
        self._cuts = sorted(survey.cuts)
        self._tracks = _bridged(film.tracks, max(1, round(options.bridge_seconds / seconds)), self._cuts)

    def analysed(self) -> list[tuple[int, int]]:
        frames = [
            frame
            for frame, seconds in self._survey.seconds.items()
            if seconds >= self._begin and (self._end is None or seconds < self._end)
        ]
        return [(min(frames), max(frames))] if frames else []

    def tracks(self) -> list[Track]:
        return [self._track(number, track) for number, track in enumerate(self._tracks, 1)]

    def uncertain(self) -> list[Stretch]:
        doubts = [Doubt(first, last, "damaged", 0, first) for first, last in self._survey.damaged]
        for number, track in enumerate(self._tracks, 1):
            doubts += doubts_within(track, number, self._options.limits, self._survey.frame_seconds)
            doubts += self._doubts_of_ends(number, track)
        return [self._stretch(number, group) for number, group in enumerate(merged(doubts), 1)]

    def _stretch(self, number: int, group: Sequence[Doubt]) -> Stretch:
        pictures = (self._survey.pictures.get(doubt.shown) for doubt in group)
        return Stretch(
            id=number,
            first=max(0, min(doubt.first for doubt in group)),
            last=min(self._survey.frames - 1, max(doubt.last for doubt in group)),
            reasons=sorted({doubt.reason for doubt in group}),
            tracks=sorted({doubt.track for doubt in group if doubt.track}),
            picture=next((picture for picture in pictures if picture is not None), None),
        )

    def _doubts_of_ends(self, number: int, track: ObservedTrack) -> Iterator[Doubt]:
        limits, survey, cuts = self._options.limits, self._survey, self._cuts
        first, last = track.faces[0], track.faces[-1]
        (begin, end), *_ = self.analysed() or [(0, 0)]
        shot = cuts[at - 1] if (at := bisect.bisect_right(cuts, first.frame)) else begin
        since = max(begin, shot, first.frame - self._pad)
        # Between two looks of the detector a face may have come with the shot.
        is_edge = first.frame - self._interval < max(begin, shot)
        if not is_edge and not is_at_border(first.box_xyxy, survey.width, survey.height, limits):
            yield Doubt(since, first.frame - 1, "begins", number, first.frame)
        next_shot = cuts[at] if (at := bisect.bisect_right(cuts, last.frame)) < len(cuts) else end + 1
        until = min(end, next_shot - 1, last.frame + self._pad)
        is_edge = last.frame + self._interval >= min(end + 1, next_shot)
        if not is_edge and not is_at_border(last.box_xyxy, survey.width, survey.height, limits):
            yield Doubt(last.frame + 1, until, "ends", number, last.frame)

    def _track(self, number: int, track: ObservedTrack) -> Track:
        frames = [face.frame for face in track.faces]
        boxes = np.array([face.box_xyxy for face in track.faces], np.float64)
        sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        kept = corners(frames, boxes, np.maximum(BOX_TOLERANCE * sides, 0.5))
        entries = [(frames[row], *(round(float(side), 1) for side in boxes[row])) for row in kept]
        grown = self._options.growth
        before, after = max(0, frames[0] - self._pad), min(self._survey.frames - 1, frames[-1] + self._pad)
        if before < frames[0]:
            entries.insert(0, (before, *_grown(track.faces[0].box_xyxy, grown)))
        if after > frames[-1]:
            entries.append((after, *_grown(track.faces[-1].box_xyxy, grown)))
        return Track.model_validate({"id": number, "boxes": entries, "person": track.person})


class _WantedPictures:
    """Frames that a doubt may want to show, before cuts are known."""

    def __init__(self, tracks: Sequence[ObservedTrack], limits: DoubtLimits) -> None:
        self._begins = {track.faces[0].frame for track in tracks}
        self._ends = {track.faces[-1].frame for track in tracks}
        # A second has at least this many frames; where it has more, fewer tracks are short.
        self._within = {doubt.shown for track in tracks for doubt in doubts_within(track, 1, limits, 1 / 24)}
        self._is_first_of_shot = True

    def wants(self, frame: int, is_last_of_shot: bool) -> bool:
        begins = frame in self._begins and not self._is_first_of_shot
        self._is_first_of_shot = is_last_of_shot
        return begins or (frame in self._ends and not is_last_of_shot) or frame in self._within


class _Boxes:
    """The boxes of each frame."""

    def __init__(self, tracks: Sequence[ObservedTrack]) -> None:
        self._boxes: dict[int, list[Box]] = {}
        for track in tracks:
            for face in track.faces:
                self._boxes.setdefault(face.frame, []).append(face.box_xyxy)

    def at(self, frame: int) -> Sequence[Box]:
        return self._boxes.get(frame, ())


def _bridged(tracks: Sequence[ObservedTrack], longest: int, cuts: Sequence[int]) -> list[ObservedTrack]:
    """Tracks joined where the next begins within reach, in the same shot, over the place where the last has ended."""
    joined: list[ObservedTrack] = []
    recent: list[ObservedTrack] = []
    for track in sorted(tracks, key=lambda one: one.faces[0].frame):
        recent = [one for one in recent if track.faces[0].frame - one.faces[-1].frame <= longest]
        earlier = next((one for one in reversed(recent) if _goes_on(one, track, cuts)), None)
        if earlier is None:
            joined.append(ObservedTrack(list(track.faces)))
            recent.append(joined[-1])
        else:
            earlier.faces += track.faces
    return joined


def _goes_on(earlier: ObservedTrack, later: ObservedTrack, cuts: Sequence[int]) -> bool:
    last, first = earlier.faces[-1], later.faces[0]
    if first.frame <= last.frame or overlap(_wide(last.box_xyxy), _wide(first.box_xyxy)) <= 0:
        return False
    if bisect.bisect_right(cuts, last.frame) != bisect.bisect_right(cuts, first.frame):
        return False
    return earlier.person is None or later.person is None or earlier.person == later.person


def _wide(box: Box) -> Box:
    """The box with half of its size at each side: as far as a face goes in a moment."""
    return _grown(box, 0.5)


def _grown(box: Box, part: float) -> Box:
    left, top, right, bottom = box
    across, down = part * (right - left), part * (bottom - top)
    return round(left - across, 1), round(top - down, 1), round(right + across, 1), round(bottom + down, 1)
