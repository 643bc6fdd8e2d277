from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from stages.imaging.patches import Gray
from stages.track.dissolves import DissolveDetector
from tests.unit.stages.track.scenes import FPS, GrayLuma, GrayPicture, texture


def found(pictures: Sequence[Gray], *, every: int = 1) -> list[int]:
    """The frames at which a dissolve was seen to be over."""
    watch = DissolveDetector()
    thumbnails = GrayLuma().thumbnails([GrayPicture(image) for image in pictures])
    return [index for index, seen in list(enumerate(thumbnails))[::every] if watch.is_over(seen, index / FPS)]


def mixed(before: Gray, after: Gray, part: float) -> Gray:
    return np.asarray((1 - part) * before.astype(float) + part * after.astype(float) + 0.5, np.uint8)


def dissolve(frames: int, *, start: int = 30, seed: int = 0) -> list[Gray]:
    before, after = texture(seed, 360, 640), texture(seed + 100, 360, 640)
    return [mixed(before, after, float(np.clip((index - start) / frames, 0, 1))) for index in range(start + 80)]


@pytest.mark.parametrize("frames", [8, 12, 25])
@pytest.mark.parametrize("seed", range(5))
def test_a_dissolve_is_found_once_and_soon_after_it(frames: int, seed: int) -> None:
    """After its middle, and within 0.4 s of its end."""
    (index,) = found(dissolve(frames, seed=seed))
    assert 30 + 0.45 * frames < index <= 30 + frames + 0.4 * FPS


def test_a_dissolve_is_found_among_looked_at_frames_alone() -> None:
    assert len(found(dissolve(25), every=8)) == 1


@pytest.mark.parametrize(
    "path",
    [lambda i: 3 * i, lambda i: 10 * i, lambda i: round(120 + 120 * np.sin(i / 8)), lambda i: 0 if i < 40 else 300],
)
def test_a_moving_camera_is_none(path: Callable[[int], int]) -> None:
    wide = texture(3, 360, 1800)
    assert found([wide[:, path(index) : path(index) + 640] for index in range(100)]) == []


def test_light_that_fades_is_none() -> None:
    image = texture(4, 360, 640).astype(float)
    levels = [1 - 0.8 * min(1.0, abs(index - 50) / 30) for index in range(100)]
    assert found([np.asarray(level * image, np.uint8) for level in levels]) == []


def test_a_fade_through_black_is_none() -> None:
    before, after = texture(5, 360, 640), texture(6, 360, 640)
    black = np.zeros_like(before)
    down = [mixed(before, black, index / 20) for index in range(21)]
    up = [mixed(black, after, index / 20) for index in range(21)]
    assert found([before] * 30 + down + [black] * 10 + up + [after] * 30) == []
