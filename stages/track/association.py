"""Which detection belongs to which track: by where the track should be, and by what it looks like where that is unsure.

The cost of a pair is how far the detection is from the track's predicted place and how little the two boxes overlap,
mixed with how little the faces resemble each other. Resemblance counts more when a track has been out of sight, and
where two tracks overlap: there position says little. The cheapest assignment of all is taken (`assignment`).
Compared with SORT (Bewley et al., ICIP 2016: overlap alone) and ByteTrack (Zhang et al., ECCV 2022: overlap, a second
round for weak detections) this survives crossings; DeepSORT (Wojke et al., ICIP 2017) gets the same from embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.track.appearance import Appearance
from stages.track.assignment import FORBIDDEN, assign
from stages.track.track import Track

__all__ = ["associate", "is_within_reach", "overlaps"]

REACH = 0.7
"""Sides of a face by which a detection may miss the predicted place."""
REACH_PER_SECOND = 2.0
"""And so many more for each second unseen."""
FURTHEST_REACH = 3.0

MOST_GROWTH = 2.2
"""Factor between the sides of prediction and detection."""

UNSURE_SECONDS = 0.15
"""Out of sight for longer, the place alone no longer decides."""

CLOSE = 0.15
"""IoU from which two tracks are taken to be in each other's way."""

LEAST_RESEMBLANCE = 0.35
"""Below, it is somebody else: two frontal faces correlate with 0.2 to 0.6, one face a second apart with 0.8."""

SURE_WEIGHT, UNSURE_WEIGHT = 0.25, 0.65
"""Of resemblance in the cost."""


def associate(
    tracks: Sequence[Track],
    predicted_xyxy: FloatArray,
    boxes_xyxy: FloatArray,
    looks: Sequence[Appearance | None],
    seconds: float,
) -> list[tuple[int, int]]:
    """Pairs (index of the track, index of the detection); what fits nowhere is in none.

    Args:
        predicted_xyxy: float32 (T, 4), where the tracks should be now.
        boxes_xyxy: float32 (N, 4), the detections.
        looks: of each detection.
        seconds: the time now.
    """
    if not len(tracks) or not len(boxes_xyxy):
        return []
    iou = overlaps(predicted_xyxy, boxes_xyxy)
    among = overlaps(predicted_xyxy, predicted_xyxy)
    np.fill_diagonal(among, 0)
    is_crowded = among.max(axis=1) > CLOSE
    distance, growth = _distances(predicted_xyxy, boxes_xyxy)
    costs = np.full(iou.shape, FORBIDDEN)
    for row, track in enumerate(tracks):
        unseen = max(0.0, seconds - track.seen_seconds)
        reach = _reach(unseen)
        is_unsure = unseen > UNSURE_SECONDS or bool(is_crowded[row])
        for column in np.flatnonzero((distance[row] <= reach) & (growth[row] <= MOST_GROWTH)).tolist():
            place = (distance[row, column] / reach + 1 - iou[row, column]) / 2
            alike = track.resembles(looks[column])
            if alike is None:
                costs[row, column] = place
                continue
            if alike < LEAST_RESEMBLANCE and (is_unsure or iou[row, column] < CLOSE):
                continue
            weight = UNSURE_WEIGHT if is_unsure else SURE_WEIGHT
            costs[row, column] = (1 - weight) * place + weight * (1 - alike) / 2
    return assign(costs)


def is_within_reach(predicted_xyxy: FloatArray, box_xyxy: FloatArray, unseen_seconds: float) -> bool:
    """Whether a track unseen for so long may have got from its predicted place to this box."""
    distance, growth = _distances(predicted_xyxy[None], box_xyxy[None])
    return bool(distance[0, 0] <= _reach(unseen_seconds) and growth[0, 0] <= MOST_GROWTH)


def overlaps(one_xyxy: FloatArray, other_xyxy: FloatArray) -> NDArray[np.float64]:
    """IoU of every box (M, 4) with every other (N, 4): float64 (M, N)."""
    one, other = one_xyxy[:, None].astype(np.float64), other_xyxy[None].astype(np.float64)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.prod(sides.clip(0), axis=-1)
    area = np.prod(one[..., 2:] - one[..., :2], axis=-1) + np.prod(other[..., 2:] - other[..., :2], axis=-1)
    iou: NDArray[np.float64] = shared / np.maximum(area - shared, np.finfo(np.float64).tiny)
    return iou


def _distances(predicted_xyxy: FloatArray, boxes_xyxy: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Between the middles, in sides of the larger box; and the factor between their sides. Each (T, N)."""
    predicted, boxes = predicted_xyxy.astype(np.float64), boxes_xyxy.astype(np.float64)
    sides = [np.sqrt(np.prod((b[:, 2:] - b[:, :2]).clip(1), axis=1)) for b in (predicted, boxes)]
    middles = [(b[:, :2] + b[:, 2:]) / 2 for b in (predicted, boxes)]
    way = np.linalg.norm(middles[0][:, None] - middles[1][None], axis=-1)
    larger, smaller = np.maximum(sides[0][:, None], sides[1]), np.minimum(sides[0][:, None], sides[1])
    return way / larger, larger / smaller


def _reach(unseen_seconds: float) -> float:
    return min(FURTHEST_REACH, REACH + REACH_PER_SECOND * unseen_seconds)
