"""Suppression keeps the best of every heap of boxes, and votes move a face only among those that voted."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.detect.nms import suppress, vote
from stages.frames import FloatArray

THRESHOLDS = st.sampled_from([0.1, 0.3, 0.45, 0.6])


@st.composite
def candidates(draw: st.DrawFn) -> tuple[FloatArray, FloatArray]:
    """Boxes on whole pixels, many of them over one another, and scores of which some are equal."""
    places = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 24), st.integers(1, 24))
    found = draw(st.lists(places, min_size=1, max_size=20))
    scores = draw(st.lists(st.integers(1, 99), min_size=len(found), max_size=len(found)))
    boxes = np.array([(x, y, x + width, y + height) for x, y, width, height in found], np.float32)
    return boxes, np.array(scores, np.float32) / np.float32(100)


def overlaps(boxes: FloatArray) -> NDArray[np.float64]:
    """Intersection over union of every box with every other, (N, N), by counting pixels."""
    masks = np.zeros((len(boxes), 64, 64), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int).tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    flat = masks.reshape(len(boxes), -1).astype(np.int64)
    shared = flat @ flat.T
    area = flat.sum(axis=1)
    return np.asarray(shared / (area[:, None] + area - shared), np.float64)


@given(candidates(), THRESHOLDS)
def test_what_stays_is_apart_and_what_goes_had_a_better_one_over_it(
    found: tuple[FloatArray, FloatArray], threshold: float
) -> None:
    boxes, scores = found
    among = overlaps(boxes)
    assume(not np.isclose(among, threshold, atol=1e-5).any())
    kept = suppress(boxes, scores, threshold).tolist()
    assert kept == sorted(kept, key=lambda row: (-scores[row], row))
    assert len(set(kept)) == len(kept)
    for row in range(len(boxes)):
        better = [other for other in kept if other != row and (-scores[other], other) < (-scores[row], row)]
        is_covered = any(among[row, other] > threshold for other in better)
        assert is_covered == (row not in kept)


@given(candidates(), THRESHOLDS)
def test_a_face_is_voted_within_those_that_are_over_it(found: tuple[FloatArray, FloatArray], threshold: float) -> None:
    boxes, scores = found
    kept = suppress(boxes, scores, threshold)
    voted = vote(boxes, scores, kept, threshold)
    among = overlaps(boxes)
    assert voted.shape == (len(kept), 4)
    assert voted.dtype == np.float32
    for row, place in zip(kept.tolist(), voted, strict=True):
        near = boxes[(among[row] >= 0.5 - 1e-6) | (np.arange(len(boxes)) == row)]
        assert (place >= near.min(axis=0) - 1e-3).all()
        assert (place <= near.max(axis=0) + 1e-3).all()


@given(candidates(), THRESHOLDS)
def test_every_candidate_votes_once_for_the_best_face_that_suppressed_it(
    found: tuple[FloatArray, FloatArray], threshold: float
) -> None:
    """Against a plain loop: the mean of the face and its voters, weighted by the fourth power of the scores."""
    boxes, scores = found
    among = overlaps(boxes)
    assume(not np.isclose(among, threshold, atol=1e-5).any())
    assume(not np.isclose(among, 0.5, atol=1e-5).any())
    kept = suppress(boxes, scores, threshold)
    voters: dict[int, list[int]] = {row: [row] for row in kept.tolist()}
    for row in set(range(len(boxes))) - voters.keys():
        first = next(own for own in kept.tolist() if among[row, own] > threshold)
        if among[row, first] > 0.5:
            voters[first].append(row)
    weights = scores.astype(np.float64) ** 4
    expected = [np.average(boxes[rows], axis=0, weights=weights[rows]) for rows in voters.values()]
    np.testing.assert_allclose(vote(boxes, scores, kept, threshold), expected, atol=1e-3)


@given(candidates(), THRESHOLDS, st.sampled_from([0.2, 0.5, 0.8]))
def test_weak_candidates_leave_strong_faces_alone(
    found: tuple[FloatArray, FloatArray], threshold: float, strong: float
) -> None:
    boxes, scores = found
    is_strong = scores >= np.float32(strong)
    assume(is_strong.any())
    kept = suppress(boxes, scores, threshold)
    voted = vote(boxes, scores, kept, threshold, strong)[is_strong[kept]]
    own = suppress(boxes[is_strong], scores[is_strong], threshold)
    assert np.flatnonzero(is_strong)[own].tolist() == kept[is_strong[kept]].tolist()
    np.testing.assert_array_equal(vote(boxes[is_strong], scores[is_strong], own, threshold, strong), voted)


@given(candidates(), THRESHOLDS, st.integers(-1000, 1000))
def test_moving_the_picture_moves_the_faces(found: tuple[FloatArray, FloatArray], threshold: float, shift: int) -> None:
    boxes, scores = found
    assume(not np.isclose(overlaps(boxes), threshold, atol=1e-5).any())
    moved = boxes + np.float32(shift)
    kept = suppress(boxes, scores, threshold)
    assert suppress(moved, scores, threshold).tolist() == kept.tolist()


def test_no_candidates_are_no_faces() -> None:
    kept = suppress(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.4)
    assert kept.shape == (0,)
    assert vote(np.empty((0, 14), np.float32), np.empty(0, np.float32), kept, 0.4).shape == (0, 14)
