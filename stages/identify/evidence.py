"""The evidence for the identity of one track: the mean of its embeddings, the samples in favour, and the decision.

A sample is one embedding of the track. Samples are weighted by quality and fade, so that a track whose first ones were
poor can change its name. One that went over to another person has another id by now: see `stages.identify.continuity`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from stages.frames import FloatArray, Identity
from stages.identify.roster import Person
from stages.identify.rule import NamingRule

__all__ = ["UNKNOWN", "Candidate", "TrackEvidence", "TrackSample"]

UNKNOWN = "unknown"

FADING = 0.97
"""A sample's weight after each further one: a decision rests on the last 30 or so."""

KEPT_SAMPLES = 16
"""Of each track in view, for when the people change."""

MIN_QUALITY = 0.05
"""The worst sample still counts for something."""

UNLIKE = 0.2
"""Cosine to the mean below which a sample is a very bad one, and does not count."""


class TrackEvidence:
    """Collects the samples of one track and decides whose face it is. For one thread."""

    def __init__(self) -> None:
        self._sum: FloatArray | None = None
        self._last: deque[TrackSample] = deque(maxlen=KEPT_SAMPLES)
        self._count = 0
        self._weight = 0.0
        self._agreeing: dict[str, float] = {}
        self._decided: str | None = None
        self._barred: dict[str, float] = {}
        self._identity: Identity | None = None

    @property
    def identity(self) -> Identity | None:
        """What has been decided; None before the first sample."""
        return self._identity

    def add(self, embedding: FloatArray, quality: float, at_seconds: float) -> TrackSample:
        """Count a sample, float32 (D,)."""
        weight = max(quality, MIN_QUALITY)
        so_far = 0.0 if self._sum is None else float(np.linalg.norm(self._sum))
        if self._sum is None:
            self._sum, self._count = weight * embedding, 1
        elif weight > so_far or float(embedding @ self._sum) >= UNLIKE * so_far:
            self._sum, self._count = FADING * self._sum + weight * embedding, self._count + 1
        mean = np.asarray(self._sum / max(float(np.linalg.norm(self._sum)), 1e-12), np.float32)
        sample = TrackSample(embedding.copy(), mean, weight, self._count, at_seconds)
        self._last.append(sample)
        return sample

    def begin_anew(self) -> list[TrackSample]:
        """Discard the decision, because the people have changed; returns the last samples, to decide again."""
        self._weight, self._agreeing, self._decided, self._identity = 0.0, {}, None, None
        self._barred.clear()
        return list(self._last)

    def bar(self, rival: Identity) -> None:
        """Rule out a person who is another face in the same frame, unless this track is more similar to that person.

        Args:
            rival: the other face's identity, with its cosine similarity, -1 to 1.
        """
        key = _key(Person(rival.person_id, rival.name))
        self._barred[key] = max(self._barred.get(key, -1.0), rival.similarity)
        before = self._identity
        if before is not None and self._decided == key:
            self._decided = None
            self._identity = Identity(None, UNKNOWN, before.similarity, before.decided_at_seconds)

    def decide(self, sample: TrackSample, candidate: Candidate | None, rule: NamingRule) -> Identity:
        """Decide the identity, sample by sample in their order; `candidate` is None where the gallery is empty."""
        share = self._share(sample, candidate, rule)
        similarity = -1.0 if candidate is None else candidate.similarity
        person = None
        if candidate is not None and self._is_named(sample, candidate, share, rule):
            person = candidate.person
        decided = None if person is None else _key(person)
        fresh = _identity(person, similarity, sample.at_seconds)
        before = self._identity
        if before is None or decided != self._decided or fresh.name != before.name:
            identity = fresh
        elif similarity > before.similarity:
            identity = _identity(person, similarity, before.decided_at_seconds)
        else:
            identity = before
        self._decided, self._identity = decided, identity
        return identity

    def _is_named(self, sample: TrackSample, candidate: Candidate, share: float, rule: NamingRule) -> bool:
        """Whether the track has, or keeps, the candidate's name."""
        key = _key(candidate.person)
        if candidate.similarity <= self._barred.get(key, -1.0):
            return False
        is_kept = key == self._decided and rule.keeps(candidate.similarity, share)
        return is_kept or rule.names(candidate.similarity, candidate.runner_up, samples=sample.count, share=share)

    def _share(self, sample: TrackSample, candidate: Candidate | None, rule: NamingRule) -> float:
        """Share of the samples, by weight, that agree that it is the candidate; counts this one."""
        self._weight = FADING * self._weight + sample.weight
        self._agreeing = {key: FADING * weight for key, weight in self._agreeing.items()}
        if candidate is None:
            return 0.0
        key = _key(candidate.person)
        if rule.agrees(candidate.sample_similarity):
            self._agreeing[key] = self._agreeing.get(key, 0.0) + sample.weight
        return self._agreeing.get(key, 0.0) / self._weight


@dataclass(frozen=True, slots=True, eq=False)
class TrackSample:
    """One embedding of a track.

    Attributes:
        embedding: float32 (D,), L2 norm 1, of this sample.
        mean: likewise, of all so far.
        weight: of this one; count: how many are in the mean.
        at_seconds: the source's time.
    """

    embedding: FloatArray
    mean: FloatArray
    weight: float
    count: int
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """The person most similar to a sample's mean.

    Attributes:
        similarity, runner_up: cosine of the mean to that person's closest picture, and to anyone else's; -1 to 1.
        sample_similarity: cosine of the sample alone to that person's closest picture.
    """

    person: Person
    similarity: float
    runner_up: float
    sample_similarity: float


def _key(person: Person) -> str:
    """The same through a change of name."""
    return person.person_id or person.name


def _identity(person: Person | None, similarity: float, at_seconds: float) -> Identity:
    if person is None:
        return Identity(None, UNKNOWN, similarity, at_seconds)
    return Identity(person.person_id, person.name, similarity, at_seconds)
