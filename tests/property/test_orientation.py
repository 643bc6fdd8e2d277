"""Turned pictures: every pixel of the upright frame is one of the coded frame's, and every one is used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.imaging.orientation import Orientation

turns = st.sampled_from([0, 90, 180, 270])
sides = st.integers(1, 9)


@given(turns, sides, sides)
def test_upright_pixels_are_the_coded_ones_turned_clockwise(degrees: int, width: int, height: int) -> None:
    orientation = Orientation(degrees)
    coded = np.arange(width * height).reshape(height, width)
    upright_width, upright_height = orientation.upright_size(width, height)
    matrix = orientation.to_coded(width, height)
    upright = np.empty((upright_height, upright_width), int)
    for y in range(upright_height):
        for x in range(upright_width):
            column, row = matrix @ (x, y, 1)
            upright[y, x] = coded[int(row), int(column)]
    np.testing.assert_array_equal(upright, np.rot90(coded, -degrees // 90))


@given(turns, sides, sides, st.floats(0.25, 4))
def test_a_turn_and_its_pixels_fit_together(degrees: int, width: int, height: int, aspect: float) -> None:
    orientation = Orientation(degrees, aspect)
    upright_width, upright_height = orientation.upright_size(width, height)
    assert orientation.upright_size(upright_width, upright_height) == (width, height)
    # As wide and as high as seen before, or the other way round.
    seen = upright_width * orientation.upright_pixel_aspect / upright_height
    coded = width * aspect / height
    assert seen == pytest.approx(1 / coded if orientation.swaps_sides else coded)
