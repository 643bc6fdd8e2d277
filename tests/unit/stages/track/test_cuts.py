from __future__ import annotations

import numpy as np

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


def test_a_flash_is_none() -> None:
    image = texture(5, 360, 640)
    assert not is_cut(image, np.asarray((image.astype(int) + 60).clip(0, 255), np.uint8))


def test_black_between_two_shots_is_one_and_black_itself_is_not() -> None:
    black = np.zeros((360, 640), np.uint8)
    assert is_cut(texture(5, 360, 640), black)
    assert is_cut(black, texture(5, 360, 640))
    assert not is_cut(black, black)


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
