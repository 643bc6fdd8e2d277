"""How long to wait before trying again: twice as long after each failure, with jitter so that clients spread out."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Waits that double from `first_seconds` to at most `most_seconds`, each shortened at random by up to half.

    For one thread at a time.
    """

    def __init__(self, first_seconds: float, most_seconds: float, *, seed: int | None = None) -> None:
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self._random = random.Random(seed)  # not a secret
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures in a row: the calls of `next_seconds` since the last `reset`."""
        return self._failures

    def next_seconds(self) -> float:
        """Count a failure and return how many seconds to wait before the next attempt."""
        longest = min(self._most_seconds, self._first_seconds * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return longest * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start over after a success: the next wait is the first again."""
        self._failures = 0
