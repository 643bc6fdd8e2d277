"""Faces under a mask or outside every region are gone; the others stay as they were."""

from __future__ import annotations

import numpy as np
import pytest

from stages.detect.regions import Areas, RegionStage
from stages.frames import Faces, Frame, Observation

LEFT_HALF = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
TOP_CORNER = [(0.0, 0.0), (0.25, 0.0), (0.25, 0.25), (0.0, 0.25)]


class Blank:
    """A picture that is nothing but its size."""

    width, height, pixel_aspect = 200, 100, 1.0

    def release(self) -> None:
        pass


def box(x: float, y: float, side: float = 10) -> list[float]:
    return [x, y, x + side, y + side]


@pytest.mark.parametrize(
    ("areas", "boxes", "expected"),
    [
        (Areas(), [box(0, 0), box(190, 90)], [True, True]),
        (Areas(regions=[LEFT_HALF]), [box(20, 20), box(150, 20), box(96, 20, 20)], [True, False, False]),
        (Areas(masks=[TOP_CORNER]), [box(5, 5), box(150, 80)], [False, True]),
        (Areas(masks=[TOP_CORNER]), [box(43, 5, 12), box(49, 5, 12)], [False, True]),  # 58% and 8% covered
        (Areas(regions=[LEFT_HALF], masks=[TOP_CORNER]), [box(5, 5), box(60, 60), box(120, 5)], [False, True, False]),
        (Areas(masks=[TOP_CORNER]), [box(-8, -8)], [False]),  # over the border
    ],
)
def test_boxes_are_where_their_middle_is(areas: Areas, boxes: list[list[float]], expected: list[bool]) -> None:
    assert areas.visible(np.array(boxes, np.float32), 200, 100).tolist() == expected


def test_no_box_is_no_error() -> None:
    assert Areas(masks=[TOP_CORNER]).visible(np.empty((0, 4), np.float32), 200, 100).shape == (0,)


def test_masks_are_painted_on_a_copy() -> None:
    image = np.full((100, 200, 3), 200, np.uint8)
    painted = Areas(masks=[TOP_CORNER]).black_out(image)
    assert painted[10, 20].tolist() == [0, 0, 0]
    assert painted[90, 190].tolist() == [200, 200, 200]
    assert image.min() == 200


def test_what_two_masks_cover_is_black_as_well() -> None:
    wide_left = [(0.0, 0.0), (0.6, 0.0), (0.6, 1.0), (0.0, 1.0)]
    wide_right = [(0.4, 0.0), (1.0, 0.0), (1.0, 1.0), (0.4, 1.0)]
    painted = Areas(masks=[wide_left, wide_right]).black_out(np.full((100, 200, 3), 200, np.uint8))
    assert painted.max() == 0


def test_only_sources_with_areas_are_filtered() -> None:
    stage = RegionStage()
    stage.set_areas("a", Areas(masks=[TOP_CORNER]))
    faces = Faces(np.array([box(5, 5), box(150, 80)], np.float32), np.array([0.9, 0.8], np.float32))
    observations = [Observation(Frame(name, 0, 0.0, Blank()), faces) for name in ("a", "b")]
    masked, whole = stage.process(observations)
    assert masked.faces.scores.tolist() == pytest.approx([0.8])
    assert whole is observations[1]
    stage.set_areas("a", None)
    assert stage.process(observations)[0] is observations[0]
