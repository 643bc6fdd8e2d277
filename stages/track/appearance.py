"""What a face looks like, roughly: enough to tell two people apart for a second, too little to recognise anybody.

A face's luma on a 16 x 16 grid, free of brightness and contrast; two of them are compared by correlation. It costs
microseconds where an embedding costs milliseconds, and is at hand before anything is embedded.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.imaging.window import Gray

__all__ = ["Appearance", "appearance", "resemblance"]

Appearance = NDArray[np.float32]

GRID = 16
LEAST_SIDE = 4  # patch pixels: below there is nothing to compare

TINY = float(np.finfo(np.float32).tiny)

_RAMP = np.linspace(-1, 1, GRID)
_WEIGHTS = np.exp(-(_RAMP[:, None] ** 2 + _RAMP[None] ** 2) / 0.8).astype(np.float32)
"""The corners of a box show what is behind the face."""
_WEIGHTS /= _WEIGHTS.sum()
_ROOTS = np.sqrt(_WEIGHTS)


def appearance(patch: Gray, box_xyxy: FloatArray) -> Appearance | None:
    """The appearance of what the box holds: float32 (256,), weighted mean 0 and norm 1. None where it is cut off.

    Args:
        patch: uint8 (H, W).
        box_xyxy: float32 (4,), patch pixels.
    """
    height, width = patch.shape
    left, top, right, bottom = map(round, box_xyxy.tolist())
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if right - left < LEAST_SIDE or bottom - top < LEAST_SIDE:
        return None
    small = cv2.resize(patch[top:bottom, left:right], (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    centred = ((small - np.vdot(small, _WEIGHTS)) * _ROOTS).ravel()
    norm = math.sqrt(float(np.dot(centred, centred)))
    return np.asarray(centred / norm, np.float32) if norm > TINY else None


def resemblance(one: Appearance | None, other: Appearance | None) -> float | None:
    """Correlation in [-1, 1]; None if one of them is unknown."""
    return None if one is None or other is None else float(one @ other)
