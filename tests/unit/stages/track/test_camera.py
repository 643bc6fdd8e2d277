from __future__ import annotations

import numpy as np
import pytest

from stages.imaging.patches import Gray
from stages.track.camera import camera_shift
from tests.unit.stages.track.scenes import GrayLuma, GrayPicture, texture


def thumbnail(image: Gray) -> Gray:
    (small,) = GrayLuma().thumbnails([GrayPicture(image)])
    return small


@pytest.mark.parametrize(("across", "down"), [(0, 0), (30, 0), (-44, 0), (12, -25), (-3, 4)])
def test_the_shift_of_the_whole_picture_is_told_to_half_a_sample(across: int, down: int) -> None:
    wide = texture(3, 460, 740)
    before, after = wide[50:410, 50:690], wide[50 - down : 410 - down, 50 - across : 690 - across]
    x, y = camera_shift(thumbnail(before), thumbnail(after))
    assert x == pytest.approx(across / 640, abs=0.5 / 64)
    assert y == pytest.approx(down / 360, abs=0.5 / 36)


def test_pictures_without_anything_in_common_tell_nothing() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.integers(0, 256, (2, 36, 64), np.uint8)
    assert camera_shift(before, after) == (0.0, 0.0)
