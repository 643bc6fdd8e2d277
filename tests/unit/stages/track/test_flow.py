from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.imaging.patches import PATCH_SIDE, Gray
from stages.track.flow import Movement, follow
from tests.unit.stages.track.scenes import detected, texture

MIDDLE = PATCH_SIDE / 2
FACE = detected([(MIDDLE, MIDDLE)], side=64)
BOX, LANDMARKS = FACE.boxes_xyxy[0], FACE.landmarks[0] if FACE.landmarks is not None else None
EYES = 0.4 * 64


def moved(patch: Gray, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Gray:
    """The patch after a movement of its coordinates (corner of the first pixel is 0, 0)."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return np.asarray(
        cv2.warpAffine(patch, shifted, (PATCH_SIDE, PATCH_SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT),
        np.uint8,
    )


def similarity(
    x: float, y: float, scale: float = 1, degrees: float = 0
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    matrix = np.asarray(cv2.getRotationMatrix2D((MIDDLE, MIDDLE), degrees, scale), np.float64)
    matrix[:, 2] += (x, y)
    return matrix


def assert_follows(seed: int, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]], *, within: float) -> None:
    """Landmarks land where they should, to a part of the distance between the eyes."""
    assert LANDMARKS is not None
    patch = texture(seed, PATCH_SIDE, PATCH_SIDE)
    movement = follow(patch, moved(patch, matrix), BOX, LANDMARKS)
    assert movement.confidence > 0.6
    expected = LANDMARKS @ matrix[:, :2].T + matrix[:, 2]
    error = np.linalg.norm(movement.apply(LANDMARKS) - expected, axis=1).max()
    assert error < within * EYES


@given(seed=st.integers(0, 50))
@settings(max_examples=20)
def test_what_stands_still_is_left_where_it_is(seed: int) -> None:
    assert_follows(seed, similarity(0, 0), within=0.001)


@given(seed=st.integers(0, 50), x=st.floats(-10, 10), y=st.floats(-10, 10))
@settings(max_examples=40)
def test_translations_are_followed(seed: int, x: float, y: float) -> None:
    """Up to a sixth of a face a frame."""
    assert_follows(seed, similarity(x, y), within=0.01)


@given(seed=st.integers(0, 50), scale=st.floats(0.94, 1.06), degrees=st.floats(-4, 4), x=st.floats(-4, 4))
@settings(max_examples=40)
def test_growth_and_tilt_are_followed(seed: int, scale: float, degrees: float, x: float) -> None:
    assert_follows(seed, similarity(x, 0, scale, degrees), within=0.02)


def test_nothing_is_believed_where_something_else_came() -> None:
    movement = follow(texture(1, PATCH_SIDE, PATCH_SIDE), texture(2, PATCH_SIDE, PATCH_SIDE), BOX, LANDMARKS)
    assert movement.confidence < 0.4


def test_nothing_is_believed_where_nothing_is_to_be_seen() -> None:
    flat = np.full((PATCH_SIDE, PATCH_SIDE), 90, np.uint8)
    assert follow(flat, flat, BOX, None).confidence == pytest.approx(0, abs=1)


def test_an_unknown_movement_leaves_points_where_they_are() -> None:
    assert LANDMARKS is not None
    np.testing.assert_array_equal(Movement.unknown().apply(LANDMARKS), LANDMARKS)
    assert Movement.unknown().scale == 1
