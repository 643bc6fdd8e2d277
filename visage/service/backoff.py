"""How long to wait before trying again: twice as long each time, and never together with all the others."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Waits that grow from `first_seconds` to `most_seconds`, each shortened by up to half at random."""

    def __init__(self, first_seconds: float, most_seconds: float, *, seed: int | None = None) -> None:
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self._random = random.Random(seed)  # not a secret
        self._failures = 0

    @property
    def failures(self) -> int:
        """In a row, so far."""
        return self._failures

    def next_seconds(self) -> float:
        """It has failed once more: how long to wait now."""
        longest = min(self._most_seconds, self._first_seconds * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return longest * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It works again."""
        self._failures = 0
