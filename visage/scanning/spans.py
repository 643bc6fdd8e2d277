"""Where to analyse every frame: around what a scan found, from one look without that face to the next.

Key frames lie at cuts, so a face that one look shows and its neighbours don't began and ended between these. A
neighbour whose face resembles it is taken for the same scene's and the span goes on. What a span shows in the end may
reach its ends all the same; then it is widened, see `widened`.

Invariant: spans are ascending and disjoint, each begins at a look, and none is shorter than from one look to the next.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stages.decode.demux import GUESSED_FPS
from stages.track.tracker import SURVIVAL_SECONDS
from visage.config.settings import ANYBODY, UNKNOWN
from visage.people.names import folded
from visage.scanning.findings import Findings, FoundFace

__all__ = ["END", "Interest", "Spans", "spans_around", "widened"]

Spans = tuple[tuple[int, int], ...]

END = sys.maxsize
"""Last index of a span that goes on to the film's end."""

ALIKE_COSINE = 0.25
"""Faces in neighbouring looks that are this similar may be one person's: a low bar, for a wrong yes only costs time."""


@dataclass(frozen=True, slots=True)
class Interest:
    """Whom to refine: "anybody", "unknown", or a name."""

    who: str

    def covers(self, face: FoundFace) -> bool:
        """Return whether this face was decided to be one of them."""
        if self.who == ANYBODY:
            return True
        if face.name is None:
            return False
        return face.name == UNKNOWN if self.who == UNKNOWN else folded(face.name) == folded(self.who)

    def promise(self, findings: Findings) -> tuple[int, float]:
        """Return how much a film promises, for sorting: in how many tracks they are seen, and the best similarity."""
        found = [face for face in findings.faces if self.covers(face)]
        return len(found), max((face.similarity for face in found), default=0.0)


def spans_around(findings: Findings, interest: Interest) -> Spans:
    """Return the spans of frames around everybody of interest."""
    looks = findings.looks
    at: dict[int, list[FoundFace]] = {}
    for face in findings.faces:
        at.setdefault(face.first_frame, []).append(face)
    memory = _memory_frames(findings)
    spans = []
    for face in findings.faces:
        if interest.covers(face):
            place = bisect.bisect_left(looks, face.first_frame)
            first = _edge(face, looks, at, place, -1)
            last = _edge(face, looks, at, place, 1)
            spans.append((0 if first < 0 else looks[first], END if last >= len(looks) else looks[last] + memory))
    return _merged(spans)


def widened(spans: Spans, before: Findings, refined: Findings, interest: Interest, *, steps: int = 1) -> Spans:
    """Return the spans, longer by `steps` looks of the scan where somebody of interest was still seen at an end.

    Args:
        before: the scan's findings, whose looks the spans begin and end at.
        refined: what the analysis of the spans has found.
    """
    looks, memory = before.looks, _memory_frames(before)
    wider = []
    for first, last in spans:
        seen = [face for face in refined.faces if interest.covers(face) and _touches(face, first, last)]
        if first > 0 and any(face.first_frame <= first for face in seen):
            place = bisect.bisect_left(looks, first) - steps
            first = looks[place] if place > 0 else 0  # noqa: PLW2901 - the span's new beginning
        if last < END and any(face.last_frame > last - memory for face in seen):
            place = bisect.bisect_right(looks, last) + steps - 1
            last = looks[place] + memory if place < len(looks) else END  # noqa: PLW2901 - and its end
        wider.append((first, last))
    return _merged(wider)


def _memory_frames(findings: Findings) -> int:
    """For how many frames a track that is out of sight may come back."""
    return round(SURVIVAL_SECONDS * (findings.fps or GUESSED_FPS)) + 1


def _touches(face: FoundFace, first: int, last: int) -> bool:
    return face.first_frame <= last and face.last_frame >= first


def _edge(face: FoundFace, looks: Sequence[int], at: dict[int, list[FoundFace]], place: int, step: int) -> int:
    """The place of the first look to one side in which nobody may be this face's person; may lie outside."""
    place += step
    while 0 <= place < len(looks) and any(_may_be_same(face, other) for other in at.get(looks[place], ())):
        place += step
    return place


def _may_be_same(face: FoundFace, other: FoundFace) -> bool:
    if face.embedding is None or other.embedding is None:
        return True
    return float(face.embedding @ other.embedding) >= ALIKE_COSINE


def _merged(spans: Iterable[tuple[int, int]]) -> Spans:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)
