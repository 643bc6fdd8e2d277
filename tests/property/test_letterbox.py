"""A picture fits into a detector's input whole, in the middle and undistorted, and every point finds its way back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.imaging.letterbox import DetectorInput, Letterbox, shrunk

sides = st.integers(1, 8192)
aspects = st.floats(0.25, 4.0)
inputs = st.builds(
    lambda multiple, count, square, coarse: DetectorInput(
        multiple * count, multiple=multiple, square=square, coarse=coarse
    ),
    st.sampled_from([1, 8, 32]),
    st.integers(2, 40),
    st.booleans(),
    st.booleans(),
)


def corners(letterbox: Letterbox) -> list[int]:
    """The outer corners of the picture within the input, as x1, y1, x2, y2."""
    left, top = letterbox.offset_x, letterbox.offset_y
    return [left, top, left + letterbox.content_width, top + letterbox.content_height]


@given(inputs, sides, sides, aspects)
def test_a_picture_lies_whole_and_centred_in_an_input_of_allowed_sides(
    wanted: DetectorInput, width: int, height: int, aspect: float
) -> None:
    letterbox = wanted.fit(width, height, aspect)
    input_height, input_width = wanted.shape(width, height, aspect)
    left, top, right, bottom = corners(letterbox)
    assert min(letterbox.content_width, letterbox.content_height) >= 1
    assert max(letterbox.content_width, letterbox.content_height) == wanted.longest
    assert 0 <= left <= right <= input_width <= wanted.longest
    assert 0 <= top <= bottom <= input_height <= wanted.longest
    assert input_width - right - left in (0, 1)
    assert input_height - bottom - top in (0, 1)
    assert input_width % wanted.multiple == input_height % wanted.multiple == 0


@given(inputs, sides, sides, aspects)
def test_the_pictures_shape_is_kept_to_half_a_pixel(
    wanted: DetectorInput, width: int, height: int, aspect: float
) -> None:
    letterbox = wanted.fit(width, height, aspect)
    scale = wanted.longest / max(width * aspect, height)
    assert letterbox.content_width == 1 or abs(letterbox.content_width - width * aspect * scale) <= 0.5 + 1e-6
    assert letterbox.content_height == 1 or abs(letterbox.content_height - height * scale) <= 0.5 + 1e-6


@given(inputs, sides, sides, aspects, st.lists(st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5)), min_size=1))
def test_points_find_their_way_back(
    wanted: DetectorInput, width: int, height: int, aspect: float, parts: list[tuple[float, float]]
) -> None:
    """Points in and around the picture, by parts of its width and height; two of them a row, as a box has."""
    letterbox = wanted.fit(width, height, aspect)
    source = np.array(parts) * (width, height)
    there = source * (letterbox.scale_x, letterbox.scale_y) + (letterbox.offset_x, letterbox.offset_y)
    rows = np.concatenate([there, there[::-1]], axis=1).astype(np.float32)
    back = letterbox.to_source(rows)
    assert back.shape == rows.shape
    assert back.dtype == np.float32
    # float32 keeps 24 bits: an input pixel of 1e-4 is `longest / width` times as much of the source.
    tolerance = 2e-4 * np.tile([1 / letterbox.scale_x, 1 / letterbox.scale_y], 2) + 1e-6 * max(width, height)
    assert (np.abs(back - np.concatenate([source, source[::-1]], axis=1)) <= tolerance).all()


@given(inputs, sides, sides, aspects, st.integers(1, 4096))
def test_the_contents_corners_are_the_pictures_corners(
    wanted: DetectorInput, width: int, height: int, aspect: float, max_width: int
) -> None:
    for letterbox in (wanted.fit(width, height, aspect), shrunk(width, height, aspect, max_width)):
        back = letterbox.to_source(np.array(corners(letterbox), np.float32))
        np.testing.assert_allclose(back, [0, 0, width, height], rtol=1e-5, atol=1e-5 * max(width, height))


@given(sides, sides, aspects, st.integers(1, 4096))
def test_a_shrunk_picture_is_never_enlarged_nor_too_wide(
    width: int, height: int, aspect: float, max_width: int
) -> None:
    letterbox = shrunk(width, height, aspect, max_width)
    assert 1 <= letterbox.content_width <= min(max_width, max(1, round(width * aspect)))
    assert letterbox.content_height >= 1
    assert (letterbox.offset_x, letterbox.offset_y) == (0, 0)
