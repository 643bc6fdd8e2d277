"""Tells a second request to stop from a repeat of the first.

`timeout`, a terminal and service managers signal a process and its group, so the same signal comes twice within
milliseconds. Only one that comes later asks for more.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["StopRequests"]

SAME_SECONDS = 0.5
"""A signal this soon after the first one means the same."""


class StopRequests:
    """The signals to stop that one process received. Used by one thread."""

    def __init__(self, *, same_seconds: float = SAME_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        self._same_seconds = same_seconds
        self._now = now
        self._first_at: float | None = None

    def is_repeat(self) -> bool:
        """Take in one more signal; returns whether it only repeats the first.

        A signal within `same_seconds` of the first, such as one sent to a whole process group, is a repeat.
        """
        now = self._now()
        if self._first_at is None:
            self._first_at = now
            return False
        return now - self._first_at < self._same_seconds
