"""Average precision and recall of a detector, in all and by the size of the faces.

A detection is right if its IoU with a face that no better detection has taken is at least 0.5 (Everingham et al.,
"The PASCAL Visual Object Classes Challenge", IJCV 2010; so does WIDER FACE). Faces marked to be ignored are neither
wanted nor wrong. Precision is made monotonous and integrated over recall at every detection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray

__all__ = ["SIZES", "DetectionReport", "TrueFaces", "evaluate_detection", "overlaps"]

SIZES: Mapping[str, tuple[float, float]] = {
    "under 16": (0, 16),
    "16 to 32": (16, 32),
    "32 to 64": (32, 64),
    "64 to 128": (64, 128),
    "128 and more": (128, np.inf),
}
"""Bins by the height of the face in pixels, lower bound included."""


@dataclass(frozen=True, slots=True, eq=False)
class TrueFaces:
    """The faces of one picture.

    Attributes:
        boxes_xyxy: float32 (N, 4).
        ignored: bool (N,), too blurred, hidden or small to count.
    """

    boxes_xyxy: FloatArray
    ignored: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DetectionReport:
    """What was found.

    Attributes:
        average_precision: in [0, 1]; over all scores, however low the detector's threshold lets them be.
        recall: part of the wanted faces that were found; `false_positives` at the same threshold.
        recall_by_size: the same for every bin of `SIZES` that has faces, with their number.
    """

    pictures: int
    faces: int
    average_precision: float
    recall: float
    precision: float
    false_positives: int
    recall_by_size: Mapping[str, tuple[float, int]]


def evaluate_detection(
    pictures: Sequence[tuple[TrueFaces, FloatArray, FloatArray]], *, iou: float = 0.5
) -> DetectionReport:
    """Compare detections with the truth.

    Args:
        pictures: for each the true faces, the found boxes float32 (M, 4), and their scores float32 (M,).
        iou: from here on a box and a face are the same.
    """
    scores: list[float] = []
    is_right: list[bool] = []
    heights: list[float] = []
    found: list[bool] = []
    for truth, boxes, confidences in pictures:
        verdicts, taken = _match(truth, boxes, confidences, iou)
        scores += [score for score, verdict in zip(confidences, verdicts, strict=True) if verdict is not None]
        is_right += [verdict for verdict in verdicts if verdict is not None]
        wanted = ~truth.ignored
        heights += (truth.boxes_xyxy[wanted, 3] - truth.boxes_xyxy[wanted, 1]).tolist()
        found += taken[wanted].tolist()
    order = np.argsort(-np.array(scores, np.float64), kind="stable")
    right = np.array(is_right, bool)[order]
    faces, hits = len(found), int(right.sum())
    return DetectionReport(
        pictures=len(pictures),
        faces=faces,
        average_precision=_average_precision(right, faces),
        recall=hits / faces if faces else 0.0,
        precision=hits / len(right) if len(right) else 0.0,
        false_positives=len(right) - hits,
        recall_by_size=_by_size(np.array(heights), np.array(found, bool)),
    )


def _match(
    truth: TrueFaces, boxes: FloatArray, scores: FloatArray, iou: float
) -> tuple[list[bool | None], NDArray[np.bool_]]:
    """For every detection right, wrong or None (an ignored face); and which faces were found."""
    verdicts: list[bool | None] = [False] * len(scores)
    taken = np.zeros(len(truth.boxes_xyxy), bool)
    alike = overlaps(boxes, truth.boxes_xyxy)
    for row in np.argsort(-scores, kind="stable"):
        open_overlaps = np.where(taken | truth.ignored, 0, alike[row])
        best = int(open_overlaps.argmax()) if len(open_overlaps) else 0
        if len(open_overlaps) and open_overlaps[best] >= iou:
            taken[best] = verdicts[row] = True
        elif (alike[row][truth.ignored] >= iou).any():
            verdicts[row] = None
    return verdicts, taken


def overlaps(a: FloatArray, b: FloatArray) -> NDArray[np.float64]:
    """IoU of every box of a with every one of b, (len(a), len(b))."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    low = np.maximum(a64[:, None, :2], b64[None, :, :2])
    high = np.minimum(a64[:, None, 2:], b64[None, :, 2:])
    common = (high - low).clip(0).prod(axis=2)
    union = (a64[:, 2:] - a64[:, :2]).prod(axis=1)[:, None] + (b64[:, 2:] - b64[:, :2]).prod(axis=1) - common
    overlaps: NDArray[np.float64] = common / np.maximum(union, np.finfo(np.float64).tiny)
    return overlaps


def _average_precision(right: NDArray[np.bool_], faces: int) -> float:
    if not faces or not len(right):
        return 0.0
    hits = np.cumsum(right)
    recall = np.concatenate([[0.0], hits / faces])
    precision = hits / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * envelope).sum())


def _by_size(heights: NDArray[np.float64], found: NDArray[np.bool_]) -> dict[str, tuple[float, int]]:
    result: dict[str, tuple[float, int]] = {}
    for name, (low, high) in SIZES.items():
        rows = (heights >= low) & (heights < high)
        if rows.any():
            result[name] = (float(found[rows].mean()), int(rows.sum()))
    return result
