"""How a face moved from one frame to the next, by sparse optical flow.

Pyramidal Lucas-Kanade (Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker", Intel 2000) follows the
landmarks and a grid of points on the face, forth and back again: a point that does not return is not believed
(Kalal et al., "Forward-backward error", ICPR 2010). A similarity transform is fitted to the rest, without the worst.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.imaging.window import Gray

__all__ = ["Movement", "follow"]

WINDOW = (15, 15)
PYRAMID_LEVELS = 2
CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 12, 0.02)

GRID = 4
"""Points across and down the face, over its middle four fifths: corners of a box show what is behind."""

MOST_RETURN_ERROR = 0.8
"""Patch pixels, an eightieth of a face, by which a believed point may miss its start."""

MOST_RESIDUAL = 1.0
"""Patch pixels by which an inlier may miss the fitted movement: faces are not rigid."""

LEAST_POINTS = 6


@dataclass(frozen=True, slots=True)
class Movement:
    """A similarity in patch pixels: new = linear @ old + shift.

    Attributes:
        linear: float64 (2, 2), rotation times scale.
        shift: float64 (2,).
        confidence: share of the points that agree, in [0, 1]; 0 where nothing could be fitted.
    """

    linear: NDArray[np.float64]
    shift: NDArray[np.float64]
    confidence: float

    @classmethod
    def unknown(cls) -> Movement:
        return cls(np.eye(2), np.zeros(2), 0.0)

    @property
    def scale(self) -> float:
        return float(np.hypot(self.linear[0, 0], self.linear[1, 0]))

    def apply(self, points: FloatArray) -> FloatArray:
        """Move float32 (..., 2)."""
        moved: FloatArray = (points @ self.linear.T + self.shift).astype(np.float32)
        return moved


def follow(before: Gray, after: Gray, box_xyxy: FloatArray, landmarks: FloatArray | None) -> Movement:
    """The movement of a face between two patches of one window.

    Args:
        before, after: uint8 (H, W).
        box_xyxy: float32 (4,), patch pixels.
        landmarks: float32 (5, 2), patch pixels, or None.
    """
    points = _points(box_xyxy, landmarks)
    # OpenCV's coordinates are pixel indices, ours begin at the first pixel's corner.
    start = np.ascontiguousarray((points - 0.5)[:, None])
    end, found = _track(before, after, start, start)
    back, returned = _track(after, before, end, start)
    error = np.abs(back - start).max(axis=(1, 2))
    is_good = (found[:, 0] == 1) & (returned[:, 0] == 1) & (error <= MOST_RETURN_ERROR)
    if is_good.sum() < LEAST_POINTS:
        return Movement.unknown()
    old, new = points[is_good].astype(np.float64), (end[is_good, 0] + 0.5).astype(np.float64)
    linear, shift = _fit(old, new)
    for _ in range(2):
        residual = np.linalg.norm(old @ linear.T + shift - new, axis=1)
        is_inlier = residual <= max(MOST_RESIDUAL, 2 * float(np.median(residual)))
        if is_inlier.sum() < LEAST_POINTS:
            return Movement.unknown()
        linear, shift = _fit(old[is_inlier], new[is_inlier])
    residual = np.linalg.norm(old @ linear.T + shift - new, axis=1)
    return Movement(linear, shift, float((residual <= MOST_RESIDUAL).sum()) / len(points))


def _track(before: Gray, after: Gray, points: FloatArray, guess: FloatArray) -> tuple[FloatArray, NDArray[np.uint8]]:
    """Where the points are afterwards, searched from a guess, and which were found."""
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


def _points(box_xyxy: FloatArray, landmarks: FloatArray | None) -> FloatArray:
    x1, y1, x2, y2 = box_xyxy
    along = np.linspace(0.1, 0.9, GRID, dtype=np.float32)
    columns, rows = np.meshgrid(x1 + along * (x2 - x1), y1 + along * (y2 - y1))
    grid = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)
    return grid if landmarks is None else np.concatenate([landmarks, grid])


def _fit(old: NDArray[np.float64], new: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The similarity of least squared distances (Umeyama 1991, in the plane)."""
    old_mean, new_mean = old.mean(axis=0), new.mean(axis=0)
    p, q = old - old_mean, new - new_mean
    spread = max(float((p**2).sum()), np.finfo(np.float64).tiny)
    a = float((p * q).sum()) / spread
    b = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / spread
    linear = np.array([[a, -b], [b, a]])
    return linear, new_mean - linear @ old_mean
