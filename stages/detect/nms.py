"""Non-maximum suppression: of boxes that show the same face, the best stays."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray

__all__ = ["MAX_CANDIDATES", "suppress"]

MAX_CANDIDATES = 1024
"""Candidates a frame that suppression looks at, best first; bounds its quadratic cost to about 3 ms."""


def suppress(boxes_xyxy: FloatArray, scores: FloatArray, iou_threshold: float) -> NDArray[np.intp]:
    """Greedy suppression, by OpenCV's `NMSBoxes`.

    Args:
        boxes_xyxy: float32 (N, 4).
        scores: float32 (N,).
        iou_threshold: a box goes if its IoU with a better kept one is above this.

    Returns:
        Rows that stay, best score first; of equal scores the lower row comes first.
    """
    if not len(scores):
        return np.empty(0, np.intp)
    boxes_xywh = np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1).astype(np.float64)
    kept = cv2.dnn.NMSBoxes(boxes_xywh, scores, 0.0, iou_threshold, top_k=MAX_CANDIDATES)  # type: ignore[arg-type]
    return np.asarray(kept, np.intp)
