"""Where a face may be that no track covers: what a person has to look at before it is shown.

A track that begins or ends within the picture, without a cut, is a face that was there before, or is there still: heads
turn away, hands pass. Weak scores, jumps and faces that come and go say that the detector was near its limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from visage.redaction.observed import Box, ObservedTrack
from visage.redaction.plan import Reason

__all__ = ["Doubt", "DoubtLimits", "doubts_within", "is_at_border", "merged"]


@dataclass(frozen=True, slots=True)
class DoubtLimits:
    """What counts as uncertain.

    Attributes:
        weak_score: a stretch of frames whose detections are below.
        weak_frames: so many of them in a row, at least.
        motion: way of a box's middle from frame to frame, in sides of the box.
        flicker_gaps: interruptions within `flicker_seconds`.
        shortest_seconds: a track of fewer is the detector's flicker.
        border: distance from the picture's border within which a face may come and go, in sides of the box.
    """

    weak_score: float = 0.5
    weak_frames: int = 3
    motion: float = 0.5
    flicker_gaps: int = 3
    flicker_seconds: float = 1.0
    shortest_seconds: float = 0.2
    border: float = 0.15


@dataclass(frozen=True, slots=True)
class Doubt:
    """One stretch: frames `first` to `last`, why, and of which track (its number in the plan, 0 for none)."""

    first: int
    last: int
    reason: Reason
    track: int = 0
    shown: int = 0
    """The frame whose picture says most."""


def doubts_within(track: ObservedTrack, number: int, limits: DoubtLimits, frame_seconds: float) -> Iterator[Doubt]:
    """Doubts about a track between its ends; `number`: its own in the plan; `frame_seconds`: from frame to frame."""
    faces = track.faces
    if (faces[-1].frame - faces[0].frame + 1) * frame_seconds < limits.shortest_seconds:
        yield Doubt(faces[0].frame, faces[-1].frame, "flicker", number, faces[0].frame)
        return
    seen = [face for face in faces if face.is_detected]
    run: list[int] = []
    for face in seen:
        if face.score < limits.weak_score:
            run.append(face.frame)
            continue
        if len(run) >= limits.weak_frames:
            yield Doubt(run[0], run[-1], "weak", number, run[len(run) // 2])
        run = []
    if len(run) >= limits.weak_frames:
        yield Doubt(run[0], run[-1], "weak", number, run[len(run) // 2])
    for before, after in pairwise(faces):
        if _step(before.box_xyxy, after.box_xyxy) > limits.motion * (after.frame - before.frame):
            yield Doubt(before.frame, after.frame, "motion", number, after.frame)
    gaps = [(before.frame, after.frame) for before, after in pairwise(faces) if after.frame - before.frame > 1]
    window = max(1, round(limits.flicker_seconds / max(frame_seconds, 1e-6)))
    for at in range(len(gaps) - limits.flicker_gaps + 1):
        first, last = gaps[at][0], gaps[at + limits.flicker_gaps - 1][1]
        if last - first <= window:
            yield Doubt(first, last, "flicker", number, first)


def is_at_border(box: Box, width: int, height: int, limits: DoubtLimits) -> bool:
    """Return whether a box, in pixels, is so near the border that the face may be coming in, or going out."""
    left, top, right, bottom = box
    across, down = limits.border * (right - left), limits.border * (bottom - top)
    return left <= across or top <= down or right >= width - across or bottom >= height - down


def merged(doubts: Sequence[Doubt]) -> list[list[Doubt]]:
    """Return groups of at least one whose frames touch, in the order of time."""
    groups: list[list[Doubt]] = []
    end = -1
    for doubt in sorted(doubts, key=lambda one: (one.first, one.last)):
        if groups and doubt.first <= end + 1:
            groups[-1].append(doubt)
        else:
            groups.append([doubt])
        end = max(end, doubt.last) if len(groups[-1]) > 1 else doubt.last
    return groups


def _step(before: Box, after: Box) -> float:
    """Way of the middle in sides of the smaller box."""
    across = (after[0] + after[2] - before[0] - before[2]) / 2
    down = (after[1] + after[3] - before[1] - before[3]) / 2
    side = min(before[2] - before[0], before[3] - before[1], after[2] - after[0], after[3] - after[1])
    return float((across**2 + down**2) ** 0.5 / max(side, 1.0))
