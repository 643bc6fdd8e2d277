"""How well tracks follow people: HOTA, IDF1, switches and purity.

HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021, the mean over
localisation thresholds 0.05 to 0.95. IDF1: Ristani et al., "Performance Measures and a Data Set for Multi-Target,
Multi-Camera Tracking", 2016, at an IoU of 0.5. Both equal TrackEval's. Identities are numbers from 0 without gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.track.assignment import assign

__all__ = ["FrameIds", "TrackingReport", "evaluate_tracking"]

ALPHAS = np.arange(0.05, 0.99, 0.05)
SAME_IOU = 0.5
STAYS = 1000.0  # more than any overlaps of other pairs add up to
MIXED_FRAMES = 3
"""A track is of two people if the one it shows less is in this many frames."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FrameIds:
    """One frame: who is in it, which tracks are, and the IoU of each with each, float64 (people, tracks)."""

    people: NDArray[np.intp]
    tracks: NDArray[np.intp]
    iou: Matrix


@dataclass(frozen=True, slots=True)
class TrackingReport:
    """What tracks are worth, all in [0, 1] but the counts.

    Attributes:
        hota, detection_accuracy, association_accuracy: means over the localisation thresholds.
        switches: how often a person's track changed, at an IoU of 0.5.
        purity: part of the matched faces that show the person whom their track shows most.
        mixed_tracks: tracks that show a second person in three frames or more.
    """

    hota: float
    detection_accuracy: float
    association_accuracy: float
    idf1: float
    switches: int
    purity: float
    tracks: int
    mixed_tracks: int


def evaluate_tracking(frames: Sequence[FrameIds]) -> TrackingReport:
    """Compare tracks with people over the frames of one film, or of several whose numbers don't meet."""
    people = 1 + max((int(frame.people.max()) for frame in frames if len(frame.people)), default=-1)
    tracks = 1 + max((int(frame.tracks.max()) for frame in frames if len(frame.tracks)), default=-1)
    person_frames, track_frames = np.zeros(people), np.zeros(tracks)
    for frame in frames:
        person_frames[frame.people] += 1
        track_frames[frame.tracks] += 1
    detection, association, hota = _hota(frames, person_frames, track_frames)
    pairs, switches = _matched(frames, people, tracks)
    boxes = person_frames.sum() + track_frames.sum()
    of_track, most = pairs.sum(axis=0), pairs.max(axis=0, initial=0)
    return TrackingReport(
        hota=hota,
        detection_accuracy=detection,
        association_accuracy=association,
        idf1=float(2 * _identified(frames, people, tracks) / boxes) if boxes else 0.0,
        switches=switches,
        purity=float(most.sum() / of_track.sum()) if of_track.any() else 0.0,
        tracks=tracks,
        mixed_tracks=int((of_track - most >= MIXED_FRAMES).sum()),
    )


def _hota(frames: Sequence[FrameIds], person_frames: Matrix, track_frames: Matrix) -> tuple[float, float, float]:
    """Detection accuracy, association accuracy and HOTA."""
    shape = (len(person_frames), len(track_frames))
    together = np.zeros(shape)
    for frame in frames:
        if frame.iou.size:
            union = frame.iou.sum(axis=0)[None, :] + frame.iou.sum(axis=1)[:, None] - frame.iou
            together[np.ix_(frame.people, frame.tracks)] += frame.iou / np.maximum(union, np.finfo(np.float64).tiny)
    either = person_frames[:, None] + track_frames[None, :]
    alignment = together / np.maximum(either - together, np.finfo(np.float64).tiny)
    matches = np.zeros((len(ALPHAS), *shape))
    for frame in frames:
        for row, column in assign(-alignment[np.ix_(frame.people, frame.tracks)] * frame.iou):
            reached = frame.iou[row, column] >= ALPHAS - np.finfo(np.float64).eps
            matches[reached, frame.people[row], frame.tracks[column]] += 1
    found = matches.sum(axis=(1, 2))
    wanted = person_frames.sum() + track_frames.sum() - found
    detection = found / np.maximum(1, wanted)
    jaccard = matches / np.maximum(1, either - matches)
    association = (matches * jaccard).sum(axis=(1, 2)) / np.maximum(1, found)
    return float(detection.mean()), float(association.mean()), float(np.sqrt(detection * association).mean())


def _identified(frames: Sequence[FrameIds], people: int, tracks: int) -> float:
    """Faces of people in their own track, if each person has one and each track at most one person."""
    overlapping = np.zeros((people, tracks))
    for frame in frames:
        if frame.iou.size:
            overlapping[np.ix_(frame.people, frame.tracks)] += frame.iou >= SAME_IOU
    return float(sum(overlapping[row, column] for row, column in assign(-overlapping)))


def _matched(frames: Sequence[FrameIds], people: int, tracks: int) -> tuple[Matrix, int]:
    """How often each person was found by each track, and how often a person went from one track to another.

    Who was found by a track in the frame before stays with it if they overlap, as in CLEAR MOT (Bernardin and
    Stiefelhagen, 2008).
    """
    counts = np.zeros((people, tracks))
    last: dict[int, int] = {}
    before: dict[int, int] = {}
    switches = 0
    for frame in frames:
        if not frame.iou.size:
            continue
        kept = np.array([[before.get(int(person)) == track for track in frame.tracks] for person in frame.people])
        pairs = assign(np.where(frame.iou >= SAME_IOU, -frame.iou - STAYS * kept, 0.0))
        pairs = [(row, column) for row, column in pairs if frame.iou[row, column] >= SAME_IOU]
        before = {int(frame.people[row]): int(frame.tracks[column]) for row, column in pairs}
        for person, track in before.items():
            counts[person, track] += 1
            switches += last.get(person, track) != track
        last.update(before)
    return counts, switches
