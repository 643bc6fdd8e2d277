from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.imaging.orientation import Orientation
from stages.redact.cover import BLOCKS, COVERABLE_FORMATS, Cover
from stages.redact.style import Method, Shape

BOX = np.array([[40.0, 20.0, 88.0, 68.0]], np.float32)


def noise(pixel_format: str = "yuv420p", width: int = 160, height: int = 120) -> av.VideoFrame:
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    return av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=pixel_format)


def planes(frame: av.VideoFrame) -> list[NDArray[np.int64]]:
    dtype = np.uint8 if frame.format.components[0].bits <= 8 else np.uint16
    found = []
    for plane in frame.planes:
        rows = np.frombuffer(bytes(plane), dtype).reshape(plane.height, -1)
        found.append(rows[:, : plane.width].astype(np.int64))
    return found


@pytest.mark.parametrize("pixel_format", sorted(COVERABLE_FORMATS))
@pytest.mark.parametrize("method", list(Method))
def test_a_region_is_covered_in_every_format_and_nothing_else_changes(pixel_format: str, method: Method) -> None:
    frame = noise(pixel_format)
    before = planes(frame)
    Cover(method, Shape.BOX, margin=0.0).cover(frame, BOX, Orientation())
    for old, new in zip(before, planes(frame), strict=True):
        across, down = old.shape[1] / 160, old.shape[0] / 120
        rows, columns = slice(int(20 * down), int(68 * down)), slice(int(40 * across), int(88 * across))
        region = new[rows, columns]
        assert len(np.unique(region)) <= BLOCKS**2 or method is Method.BLUR
        assert np.abs(np.diff(region, axis=1)).mean() < 0.2 * np.abs(np.diff(old[rows, columns], axis=1)).mean()
        outside = np.ones(old.shape, bool)
        outside[rows, columns] = False
        assert (old[outside] == new[outside]).all()


def test_a_fill_is_black_whatever_the_range() -> None:
    frame = noise()
    Cover(Method.FILL).cover_all(frame)
    luma, *chroma = planes(frame)
    assert (luma == 16).all()
    assert all((plane == 128).all() for plane in chroma)


def test_a_fill_of_ten_bits_is_black() -> None:
    frame = noise("yuv420p10le")
    Cover(Method.FILL).cover_all(frame)
    assert planes(frame)[0].max() == 64
    assert planes(frame)[1].max() == 512


def test_a_blur_holds_no_more_than_a_mosaic() -> None:
    """Both depend on nothing but the region's coarse averages."""
    frame, other = noise(), noise()
    luma = np.frombuffer(other.planes[0], np.uint8).reshape(120, -1)  # type: ignore[call-overload]
    means = luma[20:68, 40:88].reshape(6, 8, 6, 8).mean(axis=(1, 3))
    luma[20:68, 40:88] = np.rint(means).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    for one in (frame, other):
        Cover(Method.BLUR, margin=0.0).cover(one, BOX, Orientation())
    difference = planes(frame)[0][20:68, 40:88] - planes(other)[0][20:68, 40:88]
    assert np.abs(difference).max() <= 1


def test_an_ellipse_covers_the_box() -> None:
    mask = Cover(Method.FILL, Shape.ELLIPSE, margin=0.0).mask(BOX, 160, 120)
    assert mask[20:68, 40:88].all()
    assert not mask[0, 0]
    assert not mask[11, 31]  # a corner of the square around the ellipse


@pytest.mark.parametrize("shape", list(Shape))
def test_the_mask_is_what_is_covered(shape: Shape) -> None:
    frame = noise("gray")
    before = planes(frame)[0]
    cover = Cover(Method.FILL, shape)
    cover.cover(frame, BOX, Orientation())
    changed = planes(frame)[0] != before
    mask = cover.mask(BOX, 160, 120)
    assert (changed <= mask).all()
    assert changed.sum() > 0.98 * mask.sum()  # black pixels don't change


@given(
    st.sampled_from([0, 90, 180, 270]),
    st.integers(-20, 150),
    st.integers(-20, 110),
    st.integers(4, 60),
    st.integers(4, 60),
    st.sampled_from(list(Shape)),
)
def test_turned_pictures_are_covered_where_the_upright_ones_would_be(
    degrees: int, left: int, top: int, wide: int, high: int, shape: Shape
) -> None:
    upright = np.zeros((120, 160), np.uint8) + 200
    coded = np.ascontiguousarray(np.rot90(upright, degrees // 90))
    frame = av.VideoFrame.from_ndarray(coded, "gray")
    boxes = np.array([[left, top, left + wide, top + high]], np.float32)
    cover = Cover(Method.FILL, shape)
    cover.cover(frame, boxes, Orientation(degrees))
    shown = np.rot90(planes(frame)[0], -(degrees // 90))
    wanted = cover.mask(boxes, 160, 120)
    covered = shown != 200
    # Pixels through whose edge an outline goes may be rounded either way.
    assert (covered != wanted).mean() <= 0.005


def test_what_lies_outside_or_is_empty_is_passed_over() -> None:
    frame = noise()
    before = planes(frame)
    boxes = np.array([[-90, -90, -40, -40], [400, 400, 420, 420], [10, 10, 10, 10]], np.float32)
    Cover(margin=0.0).cover(frame, boxes, Orientation())
    assert all((old == new).all() for old, new in zip(before, planes(frame), strict=True))


def test_other_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="rgb24 can't be covered"):
        Cover().cover_all(noise("rgb24"))
