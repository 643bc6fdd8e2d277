from __future__ import annotations

import numpy as np
import pytest

from stages.imaging.window import Gray
from stages.track.cuts import SceneWatch
from tests.unit.stages.track.scenes import GrayLuma, GrayPicture, paint, texture


def thumbnail(image: Gray) -> Gray:
    return GrayLuma().thumbnail(GrayPicture(image))


def is_cut(before: Gray, after: Gray) -> bool:
    watch = SceneWatch()
    assert not watch.is_cut(thumbnail(before))
    return watch.is_cut(thumbnail(after))


def test_another_picture_is_a_cut() -> None:
    for seed in range(20):
        assert is_cut(texture(seed, 360, 640), texture(seed + 100, 360, 640))


def test_movement_is_none() -> None:
    wide = texture(5, 360, 800)
    for shift in (1, 5, 20):
        assert not is_cut(wide[:, :640], wide[:, shift : 640 + shift])
    assert not is_cut(paint([(1, 200, 180)]), paint([(1, 260, 180)]))


@pytest.mark.parametrize("levels", [60, 120])
def test_a_flash_is_none_coming_or_going(levels: int) -> None:
    """Even one that burns out half of the picture."""
    for seed in range(20):
        image = texture(seed, 360, 640)
        lit = np.asarray((image.astype(int) + levels).clip(0, 255), np.uint8)
        assert not is_cut(image, lit)
        assert not is_cut(lit, image)


def test_another_picture_lit_by_a_flash_is_a_cut() -> None:
    for seed in range(20):
        lit = np.asarray((texture(seed + 100, 360, 640).astype(int) + 120).clip(0, 255), np.uint8)
        assert is_cut(texture(seed, 360, 640), lit)


@pytest.mark.parametrize("gray", [0, 255])
def test_one_colour_between_two_pictures_is_passed_over(gray: int) -> None:
    """What comes after it is compared with what was before: the same shot, or another one."""
    plain = thumbnail(np.full((360, 640), gray, np.uint8))
    one, other = thumbnail(texture(5, 360, 640)), thumbnail(texture(6, 360, 640))
    watch = SceneWatch()
    assert [watch.is_cut(each) for each in (one, plain, plain, one, plain, other)] == [False] * 5 + [True]


def test_the_first_picture_after_black_begins_a_shot() -> None:
    black = np.zeros((360, 640), np.uint8)
    assert not is_cut(black, black)
    assert is_cut(black, texture(5, 360, 640))


def test_change_is_what_is_new_outside_of_known_faces() -> None:
    watch = SceneWatch()
    alone, joined = thumbnail(paint([(1, 200, 180)])), thumbnail(paint([(1, 200, 180), (2, 500, 180)]))
    box = np.array([160 / 640, 140 / 360, 240 / 640, 220 / 360], np.float32)
    newcomer = np.array([460 / 640, 140 / 360, 540 / 640, 220 / 360], np.float32)
    watch.is_cut(alone)
    assert watch.change(alone, []) == 0, "nobody has looked yet"
    watch.looked(alone)
    assert watch.change(alone, [box]) == 0
    assert watch.change(joined, [box]) > 15
    assert watch.change(joined, [box, newcomer]) < 1
    dim = np.asarray(alone // 2 + 20, np.uint8)
    watch.looked(dim)
    assert watch.change(np.asarray(dim + 30, np.uint8), [box]) < 1, "light changed everywhere alike"
