"""Which detection belongs to which track: by where the track should be, and by what it looks like where that is unsure.

The cost of a pair is how far the detection is from the track's predicted place and how little the two boxes overlap,
mixed with how little the faces resemble each other. Resemblance counts more when a track has been out of sight, and
where two tracks overlap: there position says little. The cheapest assignment of all is taken (`assignment`).
Compared with SORT (Bewley et al., ICIP 2016: overlap alone) and ByteTrack (Zhang et al., ECCV 2022: overlap, a second
round for weak detections) this survives crossings; DeepSORT (Wojke et al., ICIP 2017) gets the same from embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.track.appearance import Appearance
from stages.track.assignment import FORBIDDEN, assign
from stages.track.track import Track, TrackState

__all__ = ["associate", "is_to_be_recognised", "is_within_reach"]

REACH = 0.7
"""Sides of a face by which a detection may miss the predicted place."""
REACH_PER_SECOND = 2.0
"""And so many more for each second unseen."""
FURTHEST_REACH = 3.0

MAX_GROWTH = 2.2
"""Factor between the sides of prediction and detection."""

UNSURE_SECONDS = 0.15
"""Out of sight for longer, the place alone no longer decides."""

CLOSE = 0.15
"""IoU from which two tracks are taken to be in each other's way."""

MIN_RESEMBLANCE = 0.35
"""Below, it is somebody else: two frontal faces correlate with 0.2 to 0.6, one face a second apart with 0.8."""

SAME_PLACE = 0.5
"""IoU from which a face that was seen just before may look different, for a hand may be in front of it. With less it
has jumped, and is another one: a cut inside an inset, whose picture is too small a part for a cut of the shot."""

COVERED_RESEMBLANCE = 0.2
"""What it has to look like even then: below, another face has taken its place."""

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
    known = len(tracks)
    # All boxes with each other at once: for a few faces numpy's calls cost more than its sums.
    among = _compare(np.concatenate([*(track.expected_xyxy(seconds)[None] for track in tracks), boxes_xyxy]))
    is_crowded: list[bool] = (among.iou[:known, :known].max(axis=1) > CLOSE).tolist()
    unseen = [max(0.0, seconds - track.seen_seconds) for track in tracks]
    reach = [_reach(since) for since in unseen]
    iou, distance = among.iou[:known, known:].tolist(), among.distance[:known, known:]
    is_possible = (distance <= np.array(reach)[:, None]) & (among.growth[:known, known:] <= MAX_GROWTH)
    costs = np.full(is_possible.shape, FORBIDDEN)
    for row, column in np.argwhere(is_possible).tolist():
        is_unsure = unseen[row] > UNSURE_SECONDS or is_crowded[row]
        place = (float(distance[row, column]) / reach[row] + 1 - iou[row][column]) / 2
        alike = tracks[row].resemblance_to(appearances[column])
        if alike is None:
            costs[row, column] = place
        elif alike >= _least_resemblance(iou[row][column], is_unsure=is_unsure):
            weight = UNSURE_WEIGHT if is_unsure else SURE_WEIGHT
            costs[row, column] = (1 - weight) * place + weight * (1 - alike) / 2
    return [(tracks[row], column) for row, column in assign(costs)]


def _least_resemblance(iou: float, *, is_unsure: bool) -> float:
    return COVERED_RESEMBLANCE if iou >= SAME_PLACE and not is_unsure else MIN_RESEMBLANCE


def is_to_be_recognised(track: Track, seconds: float) -> bool:
    """Return whether a track has been out of sight for so long that its appearance says more than its place.

    Args:
        seconds: the present time of the source.
    """
    is_known = track.track_id > 0 and track.appearance is not None
    return track.state is TrackState.LOST and is_known and seconds - track.seen_seconds > UNSURE_SECONDS


def is_within_reach(predicted_xyxy: FloatArray, box_xyxy: FloatArray, unseen_seconds: float) -> bool:
    """Return whether a track unseen for `unseen_seconds` may have moved from its predicted place to this box.

    Both boxes are (4,), in pixels.
    """
    both = _compare(np.stack([predicted_xyxy, box_xyxy]))
    return bool(both.distance[0, 1] <= _reach(unseen_seconds) and both.growth[0, 1] <= MAX_GROWTH)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Of every one of K boxes with every other, each float64 (K, K).

    Attributes:
        iou: 0 of a box with itself.
        distance: between the middles, in sides of the larger box.
        growth: factor between the sides.
    """

    iou: NDArray[np.float64]
    distance: NDArray[np.float64]
    growth: NDArray[np.float64]


def _compare(boxes_xyxy: FloatArray) -> _Comparison:
    boxes = boxes_xyxy.astype(np.float64)
    start, end = boxes[:, :2], boxes[:, 2:]
    shared = np.minimum(end[:, None], end) - np.maximum(start[:, None], start)
    np.maximum(shared, 0, out=shared)
    common = shared[..., 0] * shared[..., 1]
    width, height = (end - start).T
    area = width * height
    iou = common / np.maximum(area[:, None] + area - common, TINY)
    np.fill_diagonal(iou, 0)
    side = np.sqrt(np.maximum(width, 1) * np.maximum(height, 1))
    larger, smaller = np.maximum(side[:, None], side), np.minimum(side[:, None], side)
    across, down = ((start + end) / 2).T
    distance = np.hypot(across[:, None] - across, down[:, None] - down) / larger
    return _Comparison(iou, distance, larger / smaller)


def _reach(unseen_seconds: float) -> float:
    return min(FURTHEST_REACH, REACH + REACH_PER_SECOND * unseen_seconds)
