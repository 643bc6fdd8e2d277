"""A sequence of points in time, thinned to the corners of a line that passes all of them closely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["corners"]

LONGEST = 64
"""Points between two corners: bounds the time."""


def corners(frames: Sequence[int], values: NDArray[np.float64], tolerance: NDArray[np.float64]) -> list[int]:
    """Return the rows to keep, first and last among them, so that lines between them stay within the tolerance.

    Args:
        frames: growing, N of them.
        values: float64 (N, D), the points.
        tolerance: float64 (N,), by how much each value of a point may be missed.
    """
    if not len(frames):
        return []
    return [0, *_ends(np.asarray(frames, np.float64), values, tolerance)]


def _ends(times: NDArray[np.float64], values: NDArray[np.float64], tolerance: NDArray[np.float64]) -> Iterator[int]:
    begin, end = 0, 1
    while end < len(times):
        if end + 1 < len(times) and end - begin < LONGEST and _fits(times, values, tolerance, begin, end + 1):
            end += 1
            continue
        yield end
        begin, end = end, end + 1


def _fits(
    times: NDArray[np.float64], values: NDArray[np.float64], tolerance: NDArray[np.float64], begin: int, end: int
) -> bool:
    between = slice(begin + 1, end)
    share = (times[between] - times[begin]) / (times[end] - times[begin])
    line = values[begin] + share[:, None] * (values[end] - values[begin])
    return bool((np.abs(line - values[between]) <= tolerance[between, None]).all())
