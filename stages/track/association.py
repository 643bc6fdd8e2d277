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
from stages.track.track import Track, TrackState

__all__ = ["associate", "is_to_be_recognised", "is_within_reach", "overlaps"]

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

TINY = np.finfo(np.float64).tiny

SURE_WEIGHT, UNSURE_WEIGHT = 0.25, 0.65
"""Of resemblance in the cost."""


def associate(
    tracks: Sequence[Track], boxes_xyxy: FloatArray, appearances: Sequence[Appearance | None], seconds: float
) -> list[tuple[Track, int]]:
    """Tracks and the rows of their detections; what fits nowhere is not among them.

    Tracks that were out of sight for long and are known by their appearance are left out: see `recognition`.

    Args:
        boxes_xyxy: float32 (N, 4), the detections.
        appearances: of each detection.
        seconds: the time now.
    """
    tracks = [track for track in tracks if not is_to_be_recognised(track, seconds)]
    if not tracks or not len(boxes_xyxy):
        return []
    predicted = np.stack([track.expected_xyxy(seconds) for track in tracks])
    iou = overlaps(predicted, boxes_xyxy)
    is_crowded = _crowded(predicted)
    distance, growth = _distances(predicted, boxes_xyxy)
    costs = np.full(iou.shape, FORBIDDEN)
    for row, track in enumerate(tracks):
        unseen = max(0.0, seconds - track.seen_seconds)
        reach = _reach(unseen)
        is_unsure = unseen > UNSURE_SECONDS or is_crowded[row]
        for column in np.flatnonzero((distance[row] <= reach) & (growth[row] <= MOST_GROWTH)).tolist():
            place = (distance[row, column] / reach + 1 - iou[row, column]) / 2
            alike = track.resemblance_to(appearances[column])
            if alike is None:
                costs[row, column] = place
                continue
            if alike < LEAST_RESEMBLANCE and (is_unsure or iou[row, column] < CLOSE):
                continue
            weight = UNSURE_WEIGHT if is_unsure else SURE_WEIGHT
            costs[row, column] = (1 - weight) * place + weight * (1 - alike) / 2
    return [(tracks[row], column) for row, column in assign(costs)]


def is_to_be_recognised(track: Track, seconds: float) -> bool:
    """Whether the place says little of where this track will come into sight again, and its appearance much."""
    is_known = track.track_id > 0 and track.appearance is not None
    return track.state is TrackState.LOST and is_known and seconds - track.seen_seconds > UNSURE_SECONDS


def is_within_reach(predicted_xyxy: FloatArray, box_xyxy: FloatArray, unseen_seconds: float) -> bool:
    """Whether a track unseen for so long may have got from its predicted place to this box."""
    distance, growth = _distances(predicted_xyxy[None], box_xyxy[None])
    return bool(distance[0, 0] <= _reach(unseen_seconds) and growth[0, 0] <= MOST_GROWTH)


def overlaps(one_xyxy: FloatArray, other_xyxy: FloatArray) -> NDArray[np.float64]:
    """IoU of every box (M, 4) with every other (N, 4): float64 (M, N)."""
    one, other = one_xyxy.astype(np.float64), other_xyxy.astype(np.float64)
    sides = np.minimum(one[:, None, 2:], other[:, 2:]) - np.maximum(one[:, None, :2], other[:, :2])
    np.maximum(sides, 0, out=sides)
    shared = sides[..., 0] * sides[..., 1]
    iou: NDArray[np.float64] = shared / np.maximum(_areas(one)[:, None] + _areas(other) - shared, TINY)
    return iou


def _crowded(boxes_xyxy: FloatArray) -> list[bool]:
    """Whether another box is in the way of each."""
    if len(boxes_xyxy) == 1:
        return [False]
    among = overlaps(boxes_xyxy, boxes_xyxy)
    np.fill_diagonal(among, 0)
    crowded: list[bool] = (among.max(axis=1) > CLOSE).tolist()
    return crowded


def _areas(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes_xyxy[:, 2] - boxes_xyxy[:, 0]) * (boxes_xyxy[:, 3] - boxes_xyxy[:, 1])
    return areas


def _distances(predicted_xyxy: FloatArray, boxes_xyxy: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Between the middles, in sides of the larger box; and the factor between their sides. Each (T, N)."""
    predicted, boxes = predicted_xyxy.astype(np.float64), boxes_xyxy.astype(np.float64)
    mine, theirs = (np.sqrt((b[:, 2] - b[:, 0]).clip(1) * (b[:, 3] - b[:, 1]).clip(1)) for b in (predicted, boxes))
    apart = (predicted[:, None, :2] + predicted[:, None, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2
    larger, smaller = np.maximum(mine[:, None], theirs), np.minimum(mine[:, None], theirs)
    return np.hypot(apart[..., 0], apart[..., 1]) / larger, larger / smaller


def _reach(unseen_seconds: float) -> float:
    return min(FURTHEST_REACH, REACH + REACH_PER_SECOND * unseen_seconds)
