"""What is known of one track: the mean of its embeddings, how many speak for whom, and who it was decided to be.

A look is one embedding of the track. Looks count by quality, and fade, so that a track which went over to somebody else
can change its mind; where a few looks in a row leave no doubt of that, those before count no more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from stages.frames import FloatArray, Identity
from stages.identify.roster import Person
from stages.identify.rule import NamingRule

__all__ = ["UNKNOWN", "Candidate", "Look", "TrackEvidence"]

UNKNOWN = "unknown"

FADING = 0.97
"""A look's weight after each further one: a decision rests on the last 30 or so."""

KEPT_LOOKS = 16
"""Of each track in view, for when the people change."""

LEAST_QUALITY = 0.05
"""The worst look still counts for something."""

SOMEBODY_ELSE = 0.2
"""Cosine to the mean below which a look is another person's, or a very bad one; few pairs of people are above."""

PARTING_LOOKS = 3
ONE_PERSON = 0.5
"""So many such looks in a row are another person's if they are like each other: bad looks are bad in their own way."""


class TrackEvidence:
    """Of one track."""

    def __init__(self) -> None:
        self._sum: FloatArray | None = None
        self._last: deque[Look] = deque(maxlen=KEPT_LOOKS)
        self._others: deque[FloatArray] = deque(maxlen=PARTING_LOOKS)
        self._count = 0
        self._weight = 0.0
        self._agreeing: dict[str, float] = {}
        self._decided: str | None = None
        self._identity: Identity | None = None

    @property
    def identity(self) -> Identity | None:
        """What has been decided; None before the first look."""
        return self._identity

    def add(self, embedding: FloatArray, quality: float, at_seconds: float) -> Look:
        """Count a look, float32 (D,)."""
        weight = max(quality, LEAST_QUALITY)
        so_far = 0.0 if self._sum is None else float(np.linalg.norm(self._sum))
        is_another = False
        if self._sum is None:
            self._sum, self._count = weight * embedding, 1
        elif weight > so_far or float(embedding @ self._sum) >= SOMEBODY_ELSE * so_far:
            self._sum, self._count = FADING * self._sum + weight * embedding, self._count + 1
            self._others.clear()
        else:
            is_another = self._goes_over(embedding, weight)
        mean = np.asarray(self._sum / max(float(np.linalg.norm(self._sum)), 1e-12), np.float32)
        look = Look(embedding.copy(), mean, weight, self._count, at_seconds, is_another)
        self._last.append(look)
        return look

    def begin_anew(self) -> list[Look]:
        """Forget what was decided, for the people have changed; returns the last looks, to decide by."""
        self._forget_decision()
        return list(self._last)

    def decide(self, look: Look, candidate: Candidate | None, rule: NamingRule) -> Identity:
        """Say who it is, look by look in their order; no candidate where there is nobody."""
        if look.is_another:
            self._forget_decision()
        share = self._share(look, candidate, rule)
        similarity = -1.0 if candidate is None else candidate.similarity
        person = None
        if candidate is not None and self._is_named(look, candidate, share, rule):
            person = candidate.person
        decided = None if person is None else _key(person)
        fresh = _identity(person, similarity, look.at_seconds)
        before = self._identity
        if before is None or decided != self._decided or fresh.name != before.name:
            identity = fresh
        elif similarity > before.similarity:
            identity = _identity(person, similarity, before.decided_at_seconds)
        else:
            identity = before
        self._decided, self._identity = decided, identity
        return identity

    def _forget_decision(self) -> None:
        self._weight, self._agreeing, self._decided, self._identity = 0.0, {}, None, None

    def _goes_over(self, embedding: FloatArray, weight: float) -> bool:
        """Note a look that is nothing like the others; begin with somebody else if it is the last of several."""
        self._others.append(embedding.copy())
        is_one = all(float(embedding @ other) >= ONE_PERSON for other in self._others)
        if not is_one or len(self._others) < PARTING_LOOKS:
            return False
        self._sum, self._count = weight * np.sum(list(self._others), axis=0), PARTING_LOOKS
        self._others.clear()
        self._last.clear()
        return True

    def _is_named(self, look: Look, candidate: Candidate, share: float, rule: NamingRule) -> bool:
        """Whether the track has, or keeps, the candidate's name."""
        is_kept = _key(candidate.person) == self._decided and rule.keeps(candidate.similarity, share)
        return is_kept or rule.names(candidate.similarity, candidate.runner_up, looks=look.count, share=share)

    def _share(self, look: Look, candidate: Candidate | None, rule: NamingRule) -> float:
        """Share of the looks, by weight, that agree that it is the candidate; counts this one."""
        self._weight = FADING * self._weight + look.weight
        self._agreeing = {key: FADING * weight for key, weight in self._agreeing.items()}
        if candidate is None:
            return 0.0
        key = _key(candidate.person)
        if rule.agrees(candidate.look_similarity):
            self._agreeing[key] = self._agreeing.get(key, 0.0) + look.weight
        return self._agreeing.get(key, 0.0) / self._weight


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One look at a track.

    Attributes:
        embedding: float32 (D,), L2 norm 1, of this look.
        mean: likewise, of all so far.
        weight: of this one; count: how many are in the mean.
        at_seconds: the source's time.
        is_another: the track went over to another person; the mean is of that one's looks alone.
    """

    embedding: FloatArray
    mean: FloatArray
    weight: float
    count: int
    at_seconds: float
    is_another: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """Whom a look's mean is most like.

    Attributes:
        similarity, runner_up: cosine of the mean to that one's closest picture, and to anybody else's.
        look_similarity: of the look by itself to that one's closest picture.
    """

    person: Person
    similarity: float
    runner_up: float
    look_similarity: float


def _key(person: Person) -> str:
    """The same through a change of name."""
    return person.person_id or person.name


def _identity(person: Person | None, similarity: float, at_seconds: float) -> Identity:
    if person is None:
        return Identity(None, UNKNOWN, similarity, at_seconds)
    return Identity(person.person_id, person.name, similarity, at_seconds)
