"""How a face moved from one frame to the next, by sparse optical flow.

Pyramidal Lucas-Kanade (Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker", Intel 2000) follows the
landmarks and a grid of points on the face, forth and back again: a point that does not return is not believed
(Kalal et al., "Forward-backward error", ICPR 2010). A similarity transform is fitted to the rest, without the worst.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.imaging.patches import Gray

__all__ = ["Movement", "follow"]

ComplexArray = NDArray[np.complex128]

WINDOW = (15, 15)
PYRAMID_LEVELS = 2
CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 12, 0.02)

GRID = 4
"""Points across and down the face, over its middle four fifths: corners of a box show what is behind."""

MAX_RETURN_ERROR = 0.8
"""Patch pixels, an eightieth of a face, by which a believed point may miss its start."""

MAX_RESIDUAL = 1.0
"""Patch pixels by which an inlier may miss the fitted movement: faces are not rigid."""

MIN_POINTS = 6


@dataclass(frozen=True, slots=True)
class Movement:
    """A similarity in patch pixels. With points as complex numbers, x + iy, it is new = turn * old + shift.

    Attributes:
        turn: rotation times scale.
        shift: where (0, 0) comes to lie.
        confidence: share of the points that agree, in [0, 1]; 0 where nothing could be fitted.
    """

    turn: complex
    shift: complex
    confidence: float

    @classmethod
    def unknown(cls) -> Movement:
        """None that could be fitted: confidence 0."""
        return cls(1 + 0j, 0j, 0.0)

    @property
    def scale(self) -> float:
        """Factor by which the face has grown."""
        return abs(self.turn)

    def apply(self, points: FloatArray) -> FloatArray:
        """Return the points, float32 (N, 2) in pixels, after the movement."""
        moved = self.turn * _complex(points) + self.shift
        return moved.view(np.float64).reshape(points.shape).astype(np.float32)


def follow(before: Gray, after: Gray, box_xyxy: FloatArray, landmarks: FloatArray | None) -> Movement:
    """The movement of a face between two patches of one window.

    Args:
        before, after: uint8 (H, W).
        box_xyxy: float32 (4,), patch pixels.
        landmarks: float32 (5, 2), patch pixels, or None.
    """
    points = _points(box_xyxy, landmarks)
    # OpenCV's coordinates are pixel indices, ours begin at the first pixel's corner.
    start = points - np.float32(0.5)
    end, found = _track(before, after, start, start)
    back, returned = _track(after, before, end, start)
    error = np.abs(back - start).max(axis=1)
    is_good = (found & returned).view(bool).ravel() & (error <= MAX_RETURN_ERROR)
    old, new = _complex(points)[is_good], _complex(end)[is_good] + (0.5 + 0.5j)
    if len(old) < MIN_POINTS:
        return Movement.unknown()
    turn, shift = _fit(old, new)
    is_inlier = np.ones(len(old), bool)
    for _ in range(2):
        residual = np.abs(turn * old + shift - new)
        is_near = residual <= max(MAX_RESIDUAL, 2 * median(residual.tolist()))
        if np.count_nonzero(is_near) < MIN_POINTS:
            return Movement.unknown()
        if np.array_equal(is_near, is_inlier):
            break  # the fit would be the same
        is_inlier = is_near
        turn, shift = _fit(old[is_inlier], new[is_inlier])
    agreeing = np.count_nonzero(np.abs(turn * old + shift - new) <= MAX_RESIDUAL)
    return Movement(turn, shift, agreeing / len(points))


def _track(before: Gray, after: Gray, points: FloatArray, guess: FloatArray) -> tuple[FloatArray, NDArray[np.uint8]]:
    """Where the points (P, 2) are afterwards, searched from a guess, and which were found: 0 or 1, (P, 1)."""
    end, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points,
        guess.copy(),
        winSize=WINDOW,
        maxLevel=PYRAMID_LEVELS,
        criteria=CRITERIA,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(end, np.float32), np.asarray(found, np.uint8)


_ALONG = np.linspace(0.1, 0.9, GRID)
_GRID = np.stack(np.meshgrid(_ALONG, _ALONG), axis=-1).reshape(-1, 2).astype(np.float32)


def _points(box_xyxy: FloatArray, landmarks: FloatArray | None) -> FloatArray:
    grid = box_xyxy[:2] + _GRID * (box_xyxy[2:] - box_xyxy[:2])
    return grid if landmarks is None else np.concatenate([landmarks, grid])


def _complex(points: FloatArray) -> ComplexArray:
    """(N, 2) as N numbers x + iy."""
    return points.astype(np.float64).view(np.complex128).ravel()


def _fit(old: ComplexArray, new: ComplexArray) -> tuple[complex, complex]:
    """The similarity of least squared distances (Umeyama 1991, in the plane)."""
    old_mean, new_mean = complex(old.sum()) / len(old), complex(new.sum()) / len(new)
    p, q = old - old_mean, new - new_mean
    spread = max(float(np.vdot(p, p).real), np.finfo(np.float64).tiny)
    turn = complex(np.vdot(p, q)) / spread
    return turn, new_mean - turn * old_mean
