"""What tracks are worth, by TrackEval (Luiten et al., "HOTA", IJCV 2021), and how a run agrees with full looking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import trackeval
from numpy.typing import NDArray

from benchmarks.tracking.clips import Truth
from stages.frames import Faces, FloatArray

__all__ = ["Agreement", "Score", "agreement", "score"]

MIN_OVERLAP = 0.3
BARELY_VISIBLE = 0.3
MIN_VISIBLE = 0.5
"""A face less visible need not be found; if it is, that is no mistake."""


@dataclass(frozen=True, slots=True)
class Score:
    """Of one clip.

    `switches`: in the sense of CLEAR MOT. `wrong`: faces with a number that somebody else had first. `landmark_errors`:
    of found faces wholly visible, as parts of the distance of their eyes.
    """

    hota: float
    idf1: float
    recall: float
    switches: int
    wrong: int
    landmark_errors: list[float]


@dataclass(slots=True)
class Agreement:
    """How a run agrees with looking at every frame, over all clips.

    `landmark_differences`: of followed faces, as parts of the distance of the eyes, mean over the five landmarks.
    """

    faces: int = 0
    found: int = 0
    iou: float = 0.0
    landmark_differences: list[float] = field(default_factory=list)

    def add(self, other: Agreement) -> None:
        self.faces += other.faces
        self.found += other.found
        self.iou += other.iou
        self.landmark_differences += other.landmark_differences

    @property
    def recall(self) -> float:
        return self.found / max(1, self.faces)

    @property
    def mean_iou(self) -> float:
        return self.iou / max(1, self.found)


def agreement(found: Sequence[Faces | None], reference: Sequence[Faces]) -> Agreement:
    """Faces of a run, None for frames without a row, with those of a run that looked at every frame."""
    total = Agreement()
    for mine, wanted in zip(found, reference, strict=True):
        total.faces += len(wanted)
        if mine is None or not len(mine) or not len(wanted):
            continue
        iou = overlaps(wanted.boxes_xyxy, mine.boxes_xyxy)
        for row in range(len(wanted)):
            column = int(iou[row].argmax())
            best = float(iou[row, column])
            if best >= 0.5:
                total.found += 1
                total.iou += best
                if mine.propagated is not None and mine.propagated[column]:
                    total.landmark_differences += _landmark_difference(mine, column, wanted, row)
    return total


def score(found: Sequence[Faces | None], truths: Sequence[Sequence[Truth]]) -> Score:
    """A run against the truth."""
    gt_ids, ids, similarity = [], [], []
    errors: list[float] = []
    for faces, truth in zip(found, truths, strict=True):
        shown = [t for t in truth if t.visible >= MIN_VISIBLE]
        hidden = [t for t in truth if 0 < t.visible < MIN_VISIBLE]
        boxes = np.empty((0, 4), np.float32) if faces is None else faces.boxes_xyxy
        tracks = np.empty(0, int) if faces is None or faces.track_ids is None else faces.track_ids
        kept = ~_ignored(boxes, shown, hidden) & (tracks > 0)
        gt_ids.append(np.array([t.person for t in shown], int))
        ids.append(tracks[kept])
        similarity.append(overlaps(_boxes(shown), boxes[kept]))
        if faces is not None:
            errors += _landmark_errors(faces, [t for t in shown if t.visible > 0.95])
    data = _data(gt_ids, ids, similarity)
    quiet = {"PRINT_CONFIG": False}
    hota = trackeval.metrics.HOTA().eval_sequence(data)
    identity = trackeval.metrics.Identity(quiet).eval_sequence(data)
    clear = trackeval.metrics.CLEAR(quiet).eval_sequence(data)
    return Score(
        float(np.mean(hota["HOTA"])),
        float(identity["IDF1"]),
        float(clear["CLR_Re"]),
        int(clear["IDSW"]),
        _wrong(found, truths),
        errors,
    )


def _wrong(found: Sequence[Faces | None], truths: Sequence[Sequence[Truth]]) -> int:
    """Faces whose number was somebody else's first, half hidden ones included."""
    owners: dict[int, int] = {}
    wrong = 0
    for faces, truth in zip(found, truths, strict=True):
        shown = [t for t in truth if t.visible > BARELY_VISIBLE]
        if faces is None or faces.track_ids is None or not len(faces) or not shown:
            continue
        iou = overlaps(faces.boxes_xyxy, _boxes(shown))
        for row, number in enumerate(faces.track_ids.tolist()):
            whose = shown[int(iou[row].argmax())]
            if not number or iou[row].max() < MIN_OVERLAP:
                continue
            if whose.visible >= MIN_VISIBLE:
                owners.setdefault(number, whose.person)
            wrong += owners.get(number, whose.person) != whose.person
    return wrong


def _landmark_errors(faces: Faces, shown: Sequence[Truth]) -> list[float]:
    errors: list[float] = []
    if not len(faces) or not shown or faces.landmarks is None:
        return errors
    iou = overlaps(_boxes(shown), faces.boxes_xyxy)
    for row, truth in enumerate(shown):
        column = int(iou[row].argmax())
        if iou[row, column] >= 0.5:
            distance = np.linalg.norm(truth.landmarks - faces.landmarks[column], axis=1).mean()
            errors.append(float(distance / np.linalg.norm(truth.landmarks[0] - truth.landmarks[1])))
    return errors


def _landmark_difference(mine: Faces, row: int, wanted: Faces, wanted_row: int) -> list[float]:
    if mine.landmarks is None or wanted.landmarks is None:
        return []
    expected = wanted.landmarks[wanted_row]
    distance = np.linalg.norm(expected - mine.landmarks[row], axis=1).mean()
    return [float(distance / np.linalg.norm(expected[0] - expected[1]))]


def _ignored(boxes: FloatArray, shown: Sequence[Truth], hidden: Sequence[Truth]) -> NDArray[np.bool_]:
    if not len(boxes) or not hidden:
        return np.zeros(len(boxes), bool)
    best = overlaps(boxes, _boxes(shown)).max(axis=1) if shown else np.zeros(len(boxes))
    of_hidden = overlaps(boxes, _boxes(hidden)).max(axis=1)
    ignored: NDArray[np.bool_] = (best < 0.5) & (of_hidden > 0.2)
    return ignored


def _boxes(truths: Sequence[Truth]) -> FloatArray:
    return np.array([t.box_xyxy for t in truths], np.float32).reshape(-1, 4)


def _data(
    gt_ids: list[NDArray[np.int_]], ids: list[NDArray[np.int_]], similarity: list[NDArray[np.float64]]
) -> dict[str, object]:
    """As TrackEval wants it: ids from 0 without gaps."""
    data: dict[str, object] = {"similarity_scores": similarity, "num_timesteps": len(ids)}
    for name, all_ids in (("gt", gt_ids), ("tracker", ids)):
        names, numbers = np.unique(np.concatenate(all_ids), return_inverse=True)
        ends = np.cumsum([len(some) for some in all_ids])
        data[f"{name}_ids"] = np.split(numbers, ends[:-1])
        data[f"num_{name}_ids"] = len(names)
        data[f"num_{name}_dets"] = len(numbers)
    return data


def overlaps(one_xyxy: FloatArray, other_xyxy: FloatArray) -> NDArray[np.float64]:
    """IoU of every box (M, 4) with every other (N, 4): float64 (M, N)."""
    one, other = one_xyxy.astype(np.float64), other_xyxy.astype(np.float64)
    sides = np.minimum(one[:, None, 2:], other[:, 2:]) - np.maximum(one[:, None, :2], other[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    iou: NDArray[np.float64] = shared / np.maximum(areas[0][:, None] + areas[1] - shared, np.finfo(np.float64).tiny)
    return iou
