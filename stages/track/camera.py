"""How far the whole picture has moved, from two thumbnails: where a turning camera has carried a face that flow lost.

Phase correlation (Kuglin and Hines, "The phase correlation image alignment method", 1975) in 64 x 36 samples: exact to
a fraction of a sample, and 0.1 ms. So it is asked only when flow has failed.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.imaging.patches import THUMBNAIL_SIZE

__all__ = ["camera_shift"]

MIN_RESPONSE = 0.3
"""Of the peak, 0.9 where a camera pans: below, the pictures have too little in common."""

_FADING = cv2.createHanningWindow(THUMBNAIL_SIZE, cv2.CV_32F)
"""Or else the borders, which do not move, would be what correlates."""


Levels = NDArray[np.uint8] | NDArray[np.float32]


def camera_shift(before: Levels, after: Levels) -> tuple[float, float]:
    """Return the shift of the whole picture, right and down, as parts of its width and height; 0 if it is not clear.

    Args:
        before, after: thumbnails, (36, 64).
    """
    (across, down), response = cv2.phaseCorrelate(before.astype(np.float32), after.astype(np.float32), _FADING)
    if response < MIN_RESPONSE:
        return 0.0, 0.0
    return across / THUMBNAIL_SIZE[0], down / THUMBNAIL_SIZE[1]
