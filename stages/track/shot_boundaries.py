"""Finds where one shot ends and the next starts, and how much the picture has changed, from thumbnails.

A cut changes what is where and how bright it is; a moving camera changes mostly the first, a flash only the second. So
a cut is where two neighbouring thumbnails do not correlate, or correlate little and have other histograms. A frame of
one colour (black, or a flash that burns out everything) is passed over: the picture after it is compared with the one
before. Bars around a film, the page around a slide are the same in every shot: they are left out of the comparison.
Fades are no cuts: faces fade with them and end by themselves. Dissolves are found by `stages.track.dissolves`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.imaging.patches import Gray

__all__ = ["ShotBoundaryDetector"]

UNRELATED = 0.3
LITTLE_RELATED = 0.6
MAX_OVERLAP = 0.8
"""Correlations, and the overlap of histograms. Between neighbours of one shot of the test clips they are above 0.9."""

HISTOGRAM_BINS = 16
BLOCK = 4
"""Thumbnail pixels of a block's side: 16 x 9 blocks, of the size of a small face."""

BAR_LEVELS = 6
"""Gray levels within which a row or column has to be of one colour, in both pictures, to be a bar's."""
MIN_PICTURE = 0.2
"""Of a thumbnail's width and height: what is smaller is no picture, but a thing before a plain background."""
MAX_MOVED = 1
"""Thumbnail pixels by which the middle of what is within the bars may move."""

FLAT = 3.0
"""Standard deviation below which a thumbnail is one colour: a black frame, a flash that burns out everything."""


class ShotBoundaryDetector:
    """Compares the thumbnails of one source, uint8 (36, 64). Holds one, and the block means of another."""

    def __init__(self) -> None:
        self._previous: _Gist | None = None
        self._looked_at: NDArray[np.float32] | None = None

    def is_cut(self, thumbnail: Gray) -> bool:
        """Return whether a new shot starts with this frame. To be called for every frame; False for the first."""
        before, after = self._previous, _Gist.of(thumbnail)
        if before is None or before.is_flat:
            self._previous = after
            return before is not None and not after.is_flat
        if after.is_flat:
            return False
        self._previous = after
        before, after = _within_bars(before, after)
        related = before.correlation(after)
        return related < UNRELATED or (related < LITTLE_RELATED and before.overlap(after) < MAX_OVERLAP)

    def detected(self, thumbnail: Gray) -> None:
        """Note that this frame was detected: `change` is relative to it."""
        self._looked_at = _blocks(thumbnail)

    def change(self, thumbnail: Gray, known_xyxy: Sequence[FloatArray]) -> float:
        """How much the most changed block differs from what it was at the last look, in gray levels of 255.

        Brightness that changed everywhere alike does not count, nor does what lies in or next to a known box: where a
        face moves, its surroundings do.

        Args:
            known_xyxy: boxes, float32 (4,), as parts of the picture's width and height.
        """
        now = _blocks(thumbnail)
        if self._looked_at is None or self._looked_at.shape != now.shape:
            return 0.0
        difference = now - self._looked_at
        difference = np.abs(difference - np.median(difference))
        rows, columns = difference.shape
        for box in known_xyxy:
            x1, y1, x2, y2 = (float(side) for side in box)
            margin_x, margin_y = (x2 - x1) / 2, (y2 - y1) / 2
            top, bottom = max(0, int((y1 - margin_y) * rows)), int((y2 + 2 * margin_y) * rows) + 1
            left, right = max(0, int((x1 - margin_x) * columns)), int((x2 + margin_x) * columns) + 1
            difference[top : max(0, bottom), left : max(0, right)] = 0
        return float(difference.max())


@dataclass(frozen=True, slots=True)
class _Gist:
    """A thumbnail, and what comparing it needs.

    `centred`: float32 (N,), gray levels without their mean; `deviation`: the root of their mean square.
    """

    thumbnail: Gray
    centred: NDArray[np.float32]
    deviation: float

    @classmethod
    def of(cls, thumbnail: Gray) -> _Gist:
        centred = thumbnail.ravel() - np.float32(cv2.mean(thumbnail)[0])
        return cls(thumbnail, centred, math.sqrt(float(np.dot(centred, centred)) / centred.size))

    @property
    def is_flat(self) -> bool:
        return self.deviation < FLAT

    def correlation(self, other: _Gist) -> float:
        """In [-1, 1]."""
        return float(np.dot(self.centred, other.centred)) / self.centred.size / (self.deviation * other.deviation)

    def overlap(self, other: _Gist) -> float:
        """Histogram intersection of the two, in [0, 1]."""
        first, _ = np.histogram(self.thumbnail, HISTOGRAM_BINS, (0, 256))
        second, _ = np.histogram(other.thumbnail, HISTOGRAM_BINS, (0, 256))
        return float(np.minimum(first, second).sum()) / self.thumbnail.size


def _within_bars(before: _Gist, after: _Gist) -> tuple[_Gist, _Gist]:
    """What is within the bars that both have; both as they are if there are none, or nothing but one colour within.

    Slides may differ in size, but have one middle; what has another one moves before a plain background.
    """
    one, other = before.thumbnail, after.thumbnail
    inside = _inside(np.minimum(one, other), np.maximum(one, other))
    if all(lines == slice(0, size) for lines, size in zip(inside, one.shape, strict=True)):
        return before, after
    pairs = zip(_inside(one, one), _inside(other, other), strict=True)
    is_still = all(abs(mine.start + mine.stop - theirs.start - theirs.stop) <= 2 * MAX_MOVED for mine, theirs in pairs)
    is_picture = all(
        lines.stop - lines.start >= MIN_PICTURE * size for lines, size in zip(inside, one.shape, strict=True)
    )
    within = _Gist.of(one[inside]), _Gist.of(other[inside])
    return within if is_still and is_picture and not any(gist.is_flat for gist in within) else (before, after)


def _inside(low: Gray, high: Gray) -> tuple[slice, slice]:
    """Rows and columns between those whose levels are all of one colour."""
    rows = _span(low.min(axis=1), high.max(axis=1))
    return rows, _span(low[rows].min(axis=0), high[rows].max(axis=0))


def _span(low: Gray, high: Gray) -> slice:
    """The lines between those of one colour at both ends; all of them if every one is of one colour."""
    varied = np.flatnonzero(high - low > BAR_LEVELS)
    if not len(varied):
        return slice(0, len(low))
    first, last = int(varied[0]), int(varied[-1])
    if last - first < 2:  # noqa: PLR2004 - nothing would be left
        return slice(first, last + 1)
    # A bar's neighbour may be half a bar.
    return slice(first + (first > 0), last + (last == len(low) - 1))


def _blocks(thumbnail: Gray) -> NDArray[np.float32]:
    height, width = thumbnail.shape
    blocks = thumbnail.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)
