"""From many looks at one track to one decision: votes weighted by quality, with hysteresis.

Every look votes for the person it is most like, or for nobody: below the threshold, or with the runner-up closer than
the margin. Votes fade, so that a track which went over to somebody else can change its mind. A decision is taken at
more than half of the weight, and given up only for somebody who leads clearly, so that a name does not flicker.
"""

from __future__ import annotations

from dataclasses import dataclass

from stages.frames import Identity

__all__ = ["UNKNOWN", "Look", "TrackVotes"]

UNKNOWN = "unknown"

FADING = 0.97
"""A vote's weight after each further one: a decision rests on the last 30 looks or so."""

LEAST_QUALITY = 0.05
"""The worst look still counts for something."""

TAKE_SHARE = 0.5
LEAD_SHARE = 0.15
"""Somebody else has to lead by this much of the weight before a decided name changes."""


@dataclass(frozen=True, slots=True)
class Look:
    """One face's best candidate, already judged: `key` None votes for nobody."""

    key: str | None
    person_id: str | None
    name: str
    similarity: float
    quality: float
    at_seconds: float


class TrackVotes:
    """The votes of one track."""

    def __init__(self) -> None:
        self._weights: dict[str | None, float] = {}
        self._names: dict[str, tuple[str | None, str]] = {}
        self._similarity: dict[str | None, float] = {}
        self._decided: str | None = None
        self._identity: Identity | None = None

    @property
    def identity(self) -> Identity | None:
        """What has been decided; None before the first look."""
        return self._identity

    def add(self, look: Look) -> Identity:
        """Count a look and decide."""
        for key in self._weights:
            self._weights[key] *= FADING
        self._weights[look.key] = self._weights.get(look.key, 0.0) + max(look.quality, LEAST_QUALITY)
        self._similarity[look.key] = max(look.similarity, self._similarity.get(look.key, -1.0))
        if look.key is not None:
            self._names[look.key] = (look.person_id, look.name)
        key = self._choose()
        if self._identity is None or key != self._decided:
            person_id, name = (None, UNKNOWN) if key is None else self._names[key]
            self._identity = Identity(person_id, name, self._similarity.get(key, look.similarity), look.at_seconds)
        elif self._similarity[key] > self._identity.similarity:
            before = self._identity
            self._identity = Identity(before.person_id, before.name, self._similarity[key], before.decided_at_seconds)
        self._decided = key
        return self._identity

    def _choose(self) -> str | None:
        total = sum(self._weights.values())
        leader = max(self._weights, key=self._weights.__getitem__)
        share = self._weights[leader] / total
        if self._decided is None:
            return leader if share > TAKE_SHARE else None
        kept = self._weights.get(self._decided, 0.0) / total
        return leader if share > kept + LEAD_SHARE else self._decided
