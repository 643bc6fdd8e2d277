"""What corrections say about a track: which of them are about it, and what all of them together decide.

A correction is about a face at a moment of a film or camera, not about a row of a table: an analysis that is made
again, with other settings or another embedder, has other tracks and other numbers. Later corrections win over earlier
ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from stages.frames import FloatArray

__all__ = ["Anchor", "CorrectionKind", "Fact", "Ruling", "SeenTrack", "is_about", "ruling"]

SLACK_SECONDS = 0.5
"""A track of another run may begin a little later or end a little earlier."""

SAME_MOMENT_SECONDS = 0.1
SAME_BOX = 0.3
"""Overlap (IoU) from which two boxes of one moment are of one face."""

FARTHEST_SIDES = 1.5
"""Sides of its box by which a face may have moved between two best shots of one track."""

ALIKE = 0.35
"""Cosine below which two embeddings are not of one face, for tracks that were compared by their place already."""


class CorrectionKind(str, Enum):
    """The kinds of correction of a sighting."""

    IS = "is"
    IS_NOT = "is-not"
    IGNORE = "ignore"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """A face at a moment, however often its film is analysed.

    Attributes:
        uri: the file or camera; `content`: the key of the file's content, None for cameras and where it is not known.
        seconds: of the file; for a camera, since the epoch.
        box_xyxy: pixels of the upright frame; None where it was not stored.
        embedding: float32 (D,), L2 norm 1; None where there is none of the gallery's embedder.
    """

    uri: str
    content: str | None
    seconds: float
    box_xyxy: tuple[float, ...] | None = None
    embedding: FloatArray | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class SeenTrack:
    """A track, to be compared with anchors: its anchor at its best shot, and from when to when it was visible."""

    anchor: Anchor
    first_seconds: float
    last_seconds: float


@dataclass(frozen=True, slots=True)
class Fact:
    """One correction that holds.

    Attributes:
        person: the number of the person whom it names.
        pair: the number of two that differ, with opposite signs.
    """

    number: int
    kind: CorrectionKind
    person: int | None = None
    pair: int | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the corrections of one track decide.

    Attributes:
        person: the number of the person whom it shows; None where nothing is said, or where that was taken back.
        denied: numbers of people whom it does not show.
        is_ignored: the face is to be ignored, such as one on a poster.
        apart: numbers of pairs: a track with the negative of one shows another person.
    """

    person: int | None = None
    denied: frozenset[int] = frozenset()
    is_ignored: bool = False
    apart: frozenset[int] = frozenset()

    def allows(self, person: int | None) -> bool:
        """Return whether the track may have this person's number, or be unnamed if that is None."""
        if self.is_ignored or self.person is not None:
            return person == self.person
        return person is None or person not in self.denied


def is_about(anchor: Anchor, seen: SeenTrack) -> bool:
    """Return whether an anchor's face is the one that a track shows."""
    other = seen.anchor
    is_known = anchor.content is not None and other.content is not None
    if (anchor.content != other.content) if is_known else (anchor.uri != other.uri):
        return False
    if not seen.first_seconds - SLACK_SECONDS <= anchor.seconds <= seen.last_seconds + SLACK_SECONDS:
        return False
    are_compared = anchor.embedding is not None and other.embedding is not None
    if are_compared and float(np.dot(anchor.embedding, other.embedding)) < ALIKE:  # type: ignore[arg-type]
        return False
    return anchor.box_xyxy is None or other.box_xyxy is None or _is_near(anchor, other)


def ruling(facts: Iterable[Fact]) -> Ruling:
    """Return what these decide together; the later ones win."""
    person: int | None = None
    denied: set[int] = set()
    apart: set[int] = set()
    is_ignored = False
    for fact in sorted(facts, key=lambda fact: fact.number):
        if fact.kind is CorrectionKind.IS:
            assert fact.person is not None
            person, is_ignored = fact.person, False
            denied.discard(fact.person)
        elif fact.kind is CorrectionKind.IS_NOT:
            assert fact.person is not None
            denied.add(fact.person)
            person = None if person == fact.person else person
        elif fact.kind is CorrectionKind.IGNORE:
            person, is_ignored = None, True
        elif fact.pair is not None:
            apart.add(fact.pair)
    return Ruling(person, frozenset(denied), is_ignored, frozenset(apart))


def _is_near(one: Anchor, other: Anchor) -> bool:
    """Whether two boxes can be of one face: they overlap at one moment, or lie near each other at two."""
    assert one.box_xyxy is not None
    assert other.box_xyxy is not None
    (left, top, right, bottom), (x0, y0, x1, y1) = one.box_xyxy, other.box_xyxy
    if abs(one.seconds - other.seconds) <= SAME_MOMENT_SECONDS:
        shared = max(0.0, min(right, x1) - max(left, x0)) * max(0.0, min(bottom, y1) - max(top, y0))
        both = (right - left) * (bottom - top) + (x1 - x0) * (y1 - y0) - shared
        return shared >= SAME_BOX * both
    if one.embedding is not None and other.embedding is not None:
        return True  # the faces were compared, and people walk
    side = max(right - left, bottom - top, x1 - x0, y1 - y0)
    return max(abs(left + right - x0 - x1), abs(top + bottom - y0 - y1)) / 2 <= FARTHEST_SIDES * side
