"""What is known of one track: the mean of its looks, weighted by quality, and who it was decided to be.

Looks fade, so that a track which went over to somebody else can change its mind.
"""

from __future__ import annotations

import numpy as np

from stages.frames import FloatArray, Identity
from stages.identify.roster import Person
from stages.identify.rule import NamingRule

__all__ = ["UNKNOWN", "TrackEvidence"]

UNKNOWN = "unknown"

FADING = 0.97
"""A look's weight after each further one: a decision rests on the last 30 or so."""

LEAST_QUALITY = 0.05
"""The worst look still counts for something."""


class TrackEvidence:
    """Of one track."""

    def __init__(self) -> None:
        self._sum: FloatArray | None = None
        self._looks = 0
        self._identity: Identity | None = None
        self._decided: Person | None = None

    @property
    def identity(self) -> Identity | None:
        """What has been decided; None before the first look."""
        return self._identity

    @property
    def looks(self) -> int:
        """How many there were."""
        return self._looks

    def add(self, embedding: FloatArray, quality: float) -> FloatArray:
        """Count a look, float32 (D,); returns the mean of all, float32 (D,), L2 norm 1."""
        weighted = max(quality, LEAST_QUALITY) * embedding
        self._sum = weighted if self._sum is None else FADING * self._sum + weighted
        self._looks += 1
        return np.asarray(self._sum / max(float(np.linalg.norm(self._sum)), 1e-12), np.float32)

    def decide(
        self, best: Person | None, similarity: float, runner_up: float, rule: NamingRule, *, looks: int, at: float
    ) -> Identity:
        """Say who it is.

        Args:
            best: whom the mean is most like; None where there is nobody.
            similarity, runner_up: cosine to the closest picture of that one, and of anybody else.
            looks: how many were in the mean.
            at: the source's time in seconds.
        """
        is_kept = best is not None and best == self._decided and rule.keeps(similarity)
        person = best if is_kept or (best is not None and rule.names(similarity, runner_up, looks)) else None
        before = self._identity
        if before is None or person != self._decided:
            self._identity = _identity(person, similarity, at)
        elif similarity > before.similarity:
            self._identity = _identity(person, similarity, before.decided_at_seconds)
        self._decided = person
        assert self._identity is not None
        return self._identity


def _identity(person: Person | None, similarity: float, at: float) -> Identity:
    if person is None:
        return Identity(None, UNKNOWN, similarity, at)
    return Identity(person.person_id, person.name, similarity, at)
