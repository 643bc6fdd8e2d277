"""Finds where one shot dissolves into the next, from thumbnails.

No two neighbouring frames of a dissolve differ much, and a face may become another one without leaving its place. But
the frames between its ends are mixtures of the two: a thumbnail half-way is a * before + b * after with a + b = 1, with
hardly anything left over. A moving camera's is not, and a light that is dimmed leaves pictures that correlate. Several
spans are tried, since nobody knows how long a dissolve takes; those of more than 1.5 s pass for movement. At most 21
thumbnails are kept.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from stages.imaging.patches import THUMBNAIL_SIZE, Gray
from stages.track.camera import camera_shift

__all__ = ["DissolveDetector"]

SPANS_SECONDS = (0.4, 0.8, 1.6)
APART_SECONDS = 0.08
"""Between thumbnails that are kept: every second frame of film."""

FEWEST = 2
MIN_COVER = 0.75
"""Thumbnails within a span, and the part of it that they have to cover."""

MAX_RELATED = 0.6
"""Correlation of the ends. It is lower still where all of a dissolve lies between them."""
MAX_LEFT_OVER = 0.08
"""Share of the mixture's variance that the ends do not explain."""
MIN_PART = 0.25
MAX_MISSING = 0.15
"""How far the parts may be from adding up to 1."""

MAX_MOVED = 1 / THUMBNAIL_SIZE[0], 1 / THUMBNAIL_SIZE[1]
"""Of the picture's width and height from one of the three to the next. A camera that moves over something smooth leaves
pictures that are nearly mixtures; but they match best when shifted."""

FLAT = 3.0
"""Standard deviation below which an end is one colour: a fade, which has nothing to mix with."""

Levels = NDArray[np.float32]


class DissolveDetector:
    """Compares the thumbnails of one source, uint8 (36, 64), over the last seconds."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Levels]] = deque()

    def is_over(self, thumbnail: Gray, seconds: float) -> bool:
        """Return whether this frame shows another shot than a while ago, without a cut. To be called for every frame.

        Args:
            thumbnail: uint8 (36, 64).
            seconds: the frame's time.
        """
        if self._kept and 0 <= seconds - self._kept[-1][0] < APART_SECONDS:
            return False
        levels = thumbnail - np.float32(thumbnail.mean())
        is_over = any(self._is_mixed(levels, seconds, span) for span in SPANS_SECONDS)
        if is_over or (self._kept and seconds < self._kept[-1][0]):
            self._kept.clear()
        while self._kept and seconds - self._kept[0][0] > SPANS_SECONDS[-1]:
            self._kept.popleft()
        self._kept.append((seconds, levels))
        return is_over

    def forget(self) -> None:
        """Forget the thumbnails before a cut."""
        self._kept.clear()

    def _is_mixed(self, after: Levels, seconds: float, span: float) -> bool:
        within = [kept for kept in self._kept if seconds - kept[0] <= span + APART_SECONDS / 2]
        if len(within) < FEWEST or seconds - within[0][0] < MIN_COVER * span:
            return False
        before, middle = within[0][1], within[len(within) // 2][1]
        # The levels' inner products; a * before + b * after is fitted to the middle one.
        bb, aa, ba = _dot(before, before), _dot(after, after), _dot(before, after)
        if min(bb, aa) < FLAT**2 * after.size or ba > MAX_RELATED * math.sqrt(bb * aa):
            return False
        mm, bm, am = _dot(middle, middle), _dot(before, middle), _dot(after, middle)
        determinant = bb * aa - ba * ba
        a, b = (bm * aa - am * ba) / determinant, (am * bb - bm * ba) / determinant
        left_over = mm - a * bm - b * am
        is_mixed = min(a, b) >= MIN_PART and abs(a + b - 1) <= MAX_MISSING and left_over <= MAX_LEFT_OVER * mm
        return is_mixed and _is_still(before, middle) and _is_still(middle, after)


def _dot(one: Levels, other: Levels) -> float:
    return float(np.vdot(one, other))


def _is_still(before: Levels, after: Levels) -> bool:
    across, down = camera_shift(before, after)
    return abs(across) <= MAX_MOVED[0] and abs(down) <= MAX_MOVED[1]
