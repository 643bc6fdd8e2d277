"""Which pictures a scan looks at: key frames, a few between rare ones, and every picture within given spans.

Key frames cost one decoded picture each. Anything between them costs all the pictures from the last key frame on, so it
is paid for from an allowance: a share of the pictures that were passed. The allowance also bounds what is decoded of
films that consist of key frames alone.
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass

__all__ = ["LookAllowance", "Looks"]

MIN_KEY_SECONDS = 0.5
"""Key frames closer than this to the last look need the allowance: encoders put some at cuts, but not so many."""

MAX_GAP_SECONDS = 15.0
"""After so long without a look one more is taken, if the allowance covers it. Common encoders' limit is 250 frames."""

PASSED_A_DECODED = 16
"""Pictures that are passed for each one that may be decoded besides regular key frames."""

FREE_PICTURES = 500
"""Allowance at a film's start, so that short films with a single key frame are looked at too."""


@dataclass(frozen=True, slots=True)
class Looks:
    """A source is scanned: only some of its frames are delivered, all of them to be detected.

    Attributes:
        spans: ranges of frame indices, both ends inclusive, ascending and disjoint: there every frame is delivered.
    """

    spans: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        is_disjoint = all(one[1] < other[0] for one, other in itertools.pairwise(self.spans))
        if not is_disjoint or any(not 0 <= first <= last for first, last in self.spans):
            raise ValueError(f"spans have to be ascending and disjoint: {self.spans}")

    def span_of(self, index: int) -> tuple[int, int] | None:
        """Return the span that holds the frame with this zero-based index, or None."""
        place = bisect.bisect_right(self.spans, (index, index)) - 1
        for span in self.spans[max(0, place) : place + 2]:
            if span[0] <= index <= span[1]:
                return span
        return None


@dataclass(slots=True)
class LookAllowance:
    """How much may be decoded besides, and whether it is time for a look. Times are in seconds of the source.

    Attributes:
        decoded: pictures decoded so far, of all kinds.
        spent: those of them that were paid for.
        last_look_seconds: when the last look was; None before the first.
    """

    decoded: int = 0
    spent: int = 0
    last_look_seconds: float | None = None

    def takes_key(self, passed: int, seconds: float) -> bool:
        """Return whether to look at a key frame at this time, before which `passed` frames lie; pays if need be."""
        if self.last_look_seconds is None or seconds - self.last_look_seconds >= MIN_KEY_SECONDS:
            return True
        return self.pay(passed, 1)

    def is_overdue(self, seconds: float) -> bool:
        """Return whether too much time has passed since the last look."""
        return self.last_look_seconds is None or seconds - self.last_look_seconds >= MAX_GAP_SECONDS

    def pay(self, passed: int, pictures: int) -> bool:
        """Spend `pictures` of what `passed` frames allow; False, and nothing is spent, if it does not cover them."""
        if self.spent + pictures > FREE_PICTURES + passed // PASSED_A_DECODED:
            return False
        self.spent += pictures
        return True
