from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.embed.align import ARCFACE_112, box_transforms, landmark_transforms
from stages.frames import FloatArray


def umeyama(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The paper's method with a singular value decomposition: (2, 3), source to target."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    covariance = (target - target_mean).T @ (source - source_mean) / len(source)
    u, singular, vt = np.linalg.svd(covariance)
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    scale = (singular * signs).sum() / (source - source_mean).var(axis=0).sum()
    linear = scale * u @ np.diag(signs) @ vt
    return np.column_stack([linear, target_mean - linear @ source_mean])


def applied(transform: FloatArray, points: FloatArray) -> NDArray[np.float64]:
    return points.astype(np.float64) @ transform[:, :2].T + transform[:, 2]


@given(
    angle=st.floats(-math.pi, math.pi),
    scale=st.floats(0.05, 20),
    shift=st.tuples(st.floats(-500, 2000), st.floats(-500, 2000)),
    seed=st.integers(0, 1000),
    noise=st.floats(0, 4),
)
def test_the_transform_is_umeyamas(
    angle: float, scale: float, shift: tuple[float, float], seed: int, noise: float
) -> None:
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    jitter = np.random.default_rng(seed).normal(0, noise, (5, 2)) * scale
    landmarks = (ARCFACE_112 @ turn.T + shift + jitter).astype(np.float32)
    (ours,) = landmark_transforms(landmarks[None], ARCFACE_112)
    to_crop = umeyama(landmarks.astype(np.float64), ARCFACE_112.astype(np.float64))
    expected = np.linalg.inv(np.vstack([to_crop, [0, 0, 1]]))[:2]
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3 * max(1.0, scale, *np.abs(shift)))


@pytest.mark.smoke
def test_unsquare_pixels_do_not_squeeze_the_face() -> None:
    aspect = 64 / 45
    upright = ARCFACE_112 * 2 + 100
    stored = (upright / np.array([aspect, 1])).astype(np.float32)
    (transform,) = landmark_transforms(stored[None], ARCFACE_112, pixel_aspect=aspect)
    np.testing.assert_allclose(applied(transform, ARCFACE_112), stored, atol=1e-3)


def test_coinciding_landmarks_give_a_finite_transform() -> None:
    transforms = landmark_transforms(np.full((1, 5, 2), 7, np.float32), ARCFACE_112)
    np.testing.assert_array_equal(applied(transforms[0], ARCFACE_112), np.full((5, 2), 7))


def test_no_face_gives_no_transform() -> None:
    assert landmark_transforms(np.empty((0, 5, 2), np.float32), ARCFACE_112).shape == (0, 2, 3)
    assert box_transforms(np.empty((0, 4), np.float32), 112).shape == (0, 2, 3)


@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_a_box_is_cut_as_the_square_around_it(margin: float) -> None:
    (transform,) = box_transforms(np.array([[100, 50, 180, 150]], np.float32), 160, margin=margin)
    corners = applied(transform, np.array([[0, 0], [160, 160]], np.float32))
    half = 50 * (1 + 2 * margin)
    np.testing.assert_allclose(corners, [[140 - half, 100 - half], [140 + half, 100 + half]], atol=1e-4)
