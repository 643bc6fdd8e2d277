from __future__ import annotations

import cv2
import numpy as np
import pytest

from stages.embed.align import ARCFACE_112
from stages.frames import FloatArray
from stages.imaging.patches import PATCH_SIDE
from stages.track.quality import pose, quality, sharpness
from tests.unit.stages.track.scenes import texture

BOX = np.array([0, 0, 112, 140], np.float32)


def turned(yaw: float = 0, pitch: float = 0) -> FloatArray:
    """The frontal template with its nose moved: by parts of half the eyes' distance, and of the nose's height."""
    points = ARCFACE_112.copy()
    points[2] += (yaw * (points[1, 0] - points[0, 0]) / 2, pitch * (points[3, 1] - points[0, 1]) / 2)
    return points


def test_a_large_sharp_frontal_face_is_as_good_as_its_score() -> None:
    assert quality(BOX, 0.9, ARCFACE_112) == pytest.approx(0.9, abs=0.03)


def test_everything_that_is_worse_makes_it_worse() -> None:
    best = quality(BOX, 0.9, ARCFACE_112)
    assert quality(np.asarray(BOX / 2, np.float32), 0.9, ARCFACE_112) == pytest.approx(best / 2)
    assert quality(BOX, 0.45, ARCFACE_112) == pytest.approx(best / 2)
    assert quality(BOX, 0.9, ARCFACE_112, 0.5) == pytest.approx(best / 2)
    assert quality(BOX, 0.9, turned(yaw=0.5)) < 0.6 * best
    assert quality(BOX, 0.9, turned(pitch=0.5)) < 0.6 * best


def test_without_landmarks_the_pose_does_not_count() -> None:
    assert quality(BOX, 0.9, None) == pytest.approx(0.9)


def test_a_tilted_head_loses_nothing() -> None:
    matrix = cv2.getRotationMatrix2D((56, 56), 30, 1.3)
    tilted = (ARCFACE_112 @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    assert pose(tilted) == pytest.approx(pose(ARCFACE_112), abs=1e-4)


def test_a_profile_and_nonsense_are_worth_nothing() -> None:
    assert pose(turned(yaw=1.5)) == 0
    assert pose(np.zeros((5, 2), np.float32)) == 0


def test_anamorphic_pixels_do_not_count_as_a_turn() -> None:
    squeezed = np.asarray(ARCFACE_112 / (2, 1), np.float32)
    box = np.asarray(BOX / (2, 1, 2, 1), np.float32)
    assert quality(box, 0.9, squeezed, pixel_aspect=2.0) == pytest.approx(quality(BOX, 0.9, ARCFACE_112), rel=1e-4)


def test_blur_costs_sharpness_and_contrast_does_not() -> None:
    noise = np.random.default_rng(0).normal(0, 8, (PATCH_SIDE, PATCH_SIDE))
    patch = np.asarray((texture(3, PATCH_SIDE, PATCH_SIDE) + noise).clip(0, 255), np.uint8)
    faint = np.asarray(100 + patch // 4, np.uint8)
    blurred = [np.asarray(cv2.GaussianBlur(patch, (0, 0), sigma), np.uint8) for sigma in (2, 4, 8)]
    assert sharpness(faint) == pytest.approx(sharpness(patch), rel=0.15)
    values = [sharpness(patch), *map(sharpness, blurred)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.9
    assert values[-1] < 0.2
    assert sharpness(np.full_like(patch, 90)) == 0
