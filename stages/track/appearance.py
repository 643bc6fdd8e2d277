"""The rough appearance of a face: enough to tell two people apart for a second, too little to recognise anyone.

A face's luma on a 16 x 16 grid, free of brightness and contrast; two of them are compared by correlation. It costs
microseconds where an embedding costs milliseconds, and is at hand before anything is embedded.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.imaging.patches import Gray

__all__ = ["Appearance", "appearance", "appearances", "resemblance"]

Appearance = NDArray[np.float32]

GRID = 16
MIN_SIDE = 4  # patch pixels: below there is nothing to compare

TINY = float(np.finfo(np.float32).tiny)

_RAMP = np.linspace(-1, 1, GRID)
_WEIGHTS = np.exp(-(_RAMP[:, None] ** 2 + _RAMP[None] ** 2) / 0.8).astype(np.float32).ravel()
"""The corners of a box show what is behind the face."""
_WEIGHTS /= _WEIGHTS.sum()
_ROOTS = np.sqrt(_WEIGHTS)


def appearance(patch: Gray, box_xyxy: FloatArray) -> Appearance | None:
    """Return the appearance of one face, None if it shows too little; see `appearances`."""
    return appearances([(patch, box_xyxy)])[0]


def appearances(faces: Sequence[tuple[Gray, FloatArray]]) -> list[Appearance | None]:
    """What each box holds: float32 (256,), weighted mean 0 and norm 1. None where it is cut off.

    Args:
        faces: a patch, uint8 (H, W), and a box in it, float32 (4,), patch pixels.
    """
    small = [_shrink(patch, box_xyxy) for patch, box_xyxy in faces]
    shown = [grid for grid in small if grid is not None]
    if not shown:
        return [None] * len(small)
    # All at once: numpy's calls cost more than its sums.
    levels = np.stack(shown).reshape(len(shown), GRID * GRID).astype(np.float32)
    centred = (levels - (levels @ _WEIGHTS)[:, None]) * _ROOTS
    norms = np.sqrt(np.einsum("ij,ij->i", centred, centred)).tolist()
    # Each on its own: a track keeps some for long, and a part of an array keeps all of it.
    known = iter([row / np.float32(norm) if norm > TINY else None for row, norm in zip(centred, norms, strict=True)])
    return [None if grid is None else next(known) for grid in small]


def _shrink(patch: Gray, box_xyxy: FloatArray) -> Gray | None:
    height, width = patch.shape
    left, top, right, bottom = map(round, box_xyxy.tolist())
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if right - left < MIN_SIDE or bottom - top < MIN_SIDE:
        return None
    small = cv2.resize(patch[top:bottom, left:right], (GRID, GRID), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def resemblance(one: Appearance | None, other: Appearance | None) -> float | None:
    """Correlation in [-1, 1]; None if one of them is unknown."""
    return None if one is None or other is None else float(one @ other)
