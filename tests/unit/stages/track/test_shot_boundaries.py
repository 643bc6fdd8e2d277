from __future__ import annotations

import cv2
import numpy as np
import pytest

from stages.imaging.patches import Gray
from stages.track.shot_boundaries import ShotBoundaryDetector
from tests.unit.stages.track.scenes import GrayLuma, GrayPicture, paint, texture


def thumbnail(image: Gray) -> Gray:
    (small,) = GrayLuma().thumbnails([GrayPicture(image)])
    return small


def is_cut(before: Gray, after: Gray) -> bool:
    watch = ShotBoundaryDetector()
    assert not watch.is_cut(thumbnail(before))
    return watch.is_cut(thumbnail(after))


def scaled(image: Gray, height: int, width: int) -> Gray:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def framed(image: Gray, top: int, left: int, colour: int) -> Gray:
    """The image on a page of one colour, 640x360."""
    page = np.full((360, 640), colour, np.uint8)
    page[top : top + image.shape[0], left : left + image.shape[1]] = image
    return page


def test_another_picture_is_a_cut() -> None:
    for seed in range(20):
        assert is_cut(texture(seed, 360, 640), texture(seed + 100, 360, 640))


def test_movement_is_none() -> None:
    wide = texture(5, 360, 800)
    for shift in (1, 5, 20):
        assert not is_cut(wide[:, :640], wide[:, shift : 640 + shift])
    assert not is_cut(paint([(1, 200, 180)]), paint([(1, 260, 180)]))


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize(("rows", "columns"), [((95, 265), (0, 640)), ((0, 360), (215, 425)), ((60, 300), (220, 420))])
def test_another_picture_within_the_same_bars_is_a_cut(
    colour: int, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """Of film, of upright video, of a slide: the bars resemble themselves, whatever is between them."""
    height, width = rows[1] - rows[0], columns[1] - columns[0]
    for seed in range(4, 16):
        one, other = (
            framed(scaled(texture(number, 360, 640), height, width), rows[0], columns[0], colour)
            for number in (seed, 100 + seed)
        )
        assert is_cut(one, other)
        assert not is_cut(one, one)


def test_the_next_slide_may_have_another_size() -> None:
    for seed in range(4, 16):
        one = framed(scaled(texture(seed, 360, 640), 360, 300), 0, 170, 255)
        assert is_cut(one, framed(scaled(texture(100 + seed, 360, 640), 360, 240), 0, 200, 255))


def test_a_slide_of_one_colour_is_compared_with_its_page() -> None:
    """It would correlate with nothing."""
    black, slide = np.zeros((240, 300), np.uint8), scaled(texture(4, 360, 640), 240, 300)
    for one, other in ((slide, black), (black, slide), (black, black)):
        assert not is_cut(framed(one, 60, 170, 255), framed(other, 60, 170, 255))


def test_movement_within_bars_is_none() -> None:
    wide = texture(5, 170, 800)
    for shift in (1, 5, 20):
        assert not is_cut(framed(wide[:, :640], 95, 0, 0), framed(wide[:, shift : 640 + shift], 95, 0, 0))


@pytest.mark.parametrize("side", [1, 3, 60, 200])
def test_what_moves_before_a_plain_background_is_no_slide(side: int) -> None:
    """However small; and even so far from one frame to the next that it resembles itself little."""
    thing = np.asarray(np.add.outer(np.arange(side), np.arange(side)) / (2 * side) * 200 + 20, np.uint8)
    for shift in (0, 1, side // 4):
        assert not is_cut(framed(thing, 80, 200, 0), framed(thing, 80, 200 + shift, 0))


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
    watch = ShotBoundaryDetector()
    assert [watch.is_cut(each) for each in (one, plain, plain, one, plain, other)] == [False] * 5 + [True]


def test_the_first_picture_after_black_begins_a_shot() -> None:
    black = np.zeros((360, 640), np.uint8)
    assert not is_cut(black, black)
    assert is_cut(black, texture(5, 360, 640))


def test_change_is_what_is_new_outside_of_known_faces() -> None:
    watch = ShotBoundaryDetector()
    alone, joined = thumbnail(paint([(1, 200, 180)])), thumbnail(paint([(1, 200, 180), (2, 500, 180)]))
    box = np.array([160 / 640, 140 / 360, 240 / 640, 220 / 360], np.float32)
    newcomer = np.array([460 / 640, 140 / 360, 540 / 640, 220 / 360], np.float32)
    watch.is_cut(alone)
    assert watch.change(alone, []) == 0, "nobody has looked yet"
    watch.detected(alone)
    assert watch.change(alone, [box]) == 0
    assert watch.change(joined, [box]) > 15
    assert watch.change(joined, [box, newcomer]) < 1
    dim = np.asarray(alone // 2 + 20, np.uint8)
    watch.detected(dim)
    assert watch.change(np.asarray(dim + 30, np.uint8), [box]) < 1, "light changed everywhere alike"
