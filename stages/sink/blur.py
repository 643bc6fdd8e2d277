"""Faces made unrecognisable before a picture is shown to anybody: all, those of nobody known, or those of one person.

A face's box and a little around it become a coarse mosaic of themselves. Six blocks across leave no more than
the colour of skin and hair; a blur that can be undone is not used.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces

__all__ = ["ALL", "UNKNOWN_ONLY", "blur_faces"]

ALL = "all"
UNKNOWN_ONLY = "unknown"

BLOCKS = 6
MARGIN = 0.15


def blur_faces(image: NDArray[np.uint8], faces: Faces, whom: str) -> NDArray[np.bool_]:
    """Blur in the picture, uint8 (H, W, 3), BGR, in place; returns whom, bool (N,).

    Args:
        whom: "all"; "unknown", everybody who is not known by name; or a name: that person alone, and whoever nobody
            has looked at yet.
    """
    is_blurred = np.array([_is_meant(faces, row, whom) for row in range(len(faces))], bool)
    for box in faces.boxes_xyxy[is_blurred].tolist():
        _mosaic(image, box)
    return is_blurred


def _is_meant(faces: Faces, row: int, whom: str) -> bool:
    if whom == ALL:
        return True
    identity = None if faces.identities is None else faces.identities[row]
    if whom == UNKNOWN_ONLY:
        return identity is None or identity.person_id is None
    return identity is None or identity.name.casefold() == whom.casefold()


def _mosaic(image: NDArray[np.uint8], box: list[float]) -> None:
    left, top, right, bottom = box
    wide, high = MARGIN * (right - left), MARGIN * (bottom - top)
    x0, y0 = max(0, int(left - wide)), max(0, int(top - high))
    x1, y1 = min(image.shape[1], int(right + wide) + 1), min(image.shape[0], int(bottom + high) + 1)
    if x1 <= x0 or y1 <= y0:
        return
    region = image[y0:y1, x0:x1]
    coarse = cv2.resize(region, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
    region[:] = cv2.resize(coarse, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
