"""What kernels are told about pictures, checked without a card: the addresses are never followed."""

from __future__ import annotations

import numpy as np
import pytest

from stages.buffers import HOST_EVENT, BufferPool
from stages.buffers.device import DeviceArray
from stages.errors import PoolClosed
from stages.frames import FloatArray
from stages.imaging.colour import NV12, P010, Encoding, Matrix, YuvSamples
from stages.imaging.device.descriptors import (
    CROP,
    LETTERBOX,
    PATCH,
    PICTURE,
    THUMBNAIL,
    crop_records,
    letterbox_records,
    patch_records,
    picture_records,
    thumbnail_records,
)
from stages.imaging.device.picture import DevicePicture, SurfaceLayout
from stages.imaging.letterbox import DetectorInput
from stages.imaging.orientation import Orientation
from stages.imaging.patches import PatchWindow

ADDRESS = 0x7000_0000


def layout_of(width: int, height: int, *, rotation: int = 0, samples: YuvSamples = NV12) -> SurfaceLayout:
    pitch = 4 * width
    return SurfaceLayout(width, height, pitch, samples, Encoding(Matrix.ITU709, False), Orientation(rotation))


def picture_of(layout: SurfaceLayout) -> DevicePicture:
    pool = BufferPool(1, lambda: DeviceArray(ADDRESS, (layout.nbytes,), np.dtype(np.uint8)))
    return DevicePicture(pool.lease(), layout, HOST_EVENT)


def test_records_have_the_size_that_the_kernels_assert() -> None:
    assert (PICTURE.itemsize, LETTERBOX.itemsize, CROP.itemsize) == (80, 128, 32)
    assert (PATCH.itemsize, THUMBNAIL.itemsize) == (48, 128)


def test_a_picture_tells_where_its_planes_are_and_what_their_samples_mean() -> None:
    (record,) = picture_records([picture_of(layout_of(101, 51, samples=P010))])
    assert record["luma"] == ADDRESS
    assert record["chroma"] == ADDRESS + 51 * 404
    assert record["sample_bytes"] == 2
    np.testing.assert_array_equal(record["black_neutral"], [16 << 8, 128 << 8])
    # Limited-range white is 235 in eight bits, kept in the high byte.
    np.testing.assert_allclose(record["to_bgr"] @ [219 << 8, 0, 0], [255, 255, 255], rtol=1e-6)


def test_pictures_that_lie_differently_share_an_array() -> None:
    layouts = [layout_of(101, 51, samples=P010), layout_of(64, 32), layout_of(64, 32, rotation=90)]
    pictures = [picture_of(layout) for layout in layouts]
    fit = DetectorInput(320).fit(64, 32)
    for records in (
        picture_records(pictures),
        letterbox_records(pictures, [fit] * 3)["picture"],
        thumbnail_records(pictures)["picture"],
    ):
        assert records["luma"].tolist() == [ADDRESS] * 3
        assert records["chroma"].tolist() == [ADDRESS + layout.chroma_offset for layout in layouts]
        assert records["sample_bytes"].tolist() == [2, 1, 1]
    assert len(picture_records([])) == 0


@pytest.mark.parametrize(
    ("rotation", "first", "last"),
    [
        (0, (0, 0), (199, 99)),
        (90, (0, 99), (199, 0)),
        (180, (199, 99), (0, 0)),
        (270, (199, 0), (0, 99)),
    ],
)
def test_the_upright_picture_s_corners_are_found_in_the_stored_one(
    rotation: int, first: tuple[int, int], last: tuple[int, int]
) -> None:
    layout = layout_of(200, 100, rotation=rotation)
    picture = picture_of(layout)
    identity: FloatArray = np.eye(2, 3, dtype=np.float32)[None]
    (record,) = crop_records([picture], [identity])
    assert tuple(record["map"] @ [0, 0, 1]) == first
    assert tuple(record["map"] @ [picture.width - 1, picture.height - 1, 1]) == last
    # The letterbox maps the middle of its content to the middle of the picture, however it is turned.
    fit = DetectorInput(longest=64).fit(picture.width, picture.height)
    (box,) = letterbox_records([picture], [fit])
    left, top, right, bottom = (int(edge) for edge in box["content"])
    middle = box["map"] @ [(left + right - 1) / 2, (top + bottom - 1) / 2, 1]
    np.testing.assert_allclose(middle, [99.5, 49.5], atol=1e-3)


def test_crops_know_their_picture_and_how_many_samples_a_pixel_takes() -> None:
    scales = [0.3, 1.4, 1.6, 7.6, 40.0]
    angle = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0]])
    transforms = [np.array([scale * angle for scale in scales], np.float32), np.empty((0, 2, 3), np.float32)]
    transforms.append(np.array([angle], np.float32))
    records = crop_records([picture_of(layout_of(200, 100)) for _ in transforms], transforms)
    assert records["picture"].tolist() == [0, 0, 0, 0, 0, 2]
    assert records["samples"].tolist() == [1, 1, 2, 8, 8, 1]


@pytest.mark.parametrize(("longest", "samples"), [(640, 3), (1920, 1), (128, 8), (3840, 1), (1280, 2)])
def test_a_letterbox_takes_enough_samples_to_miss_none_down_to_an_eighth(longest: int, samples: int) -> None:
    fit = DetectorInput(longest=longest).fit(1920, 1080)
    (record,) = letterbox_records([picture_of(layout_of(1920, 1080))], [fit])
    assert record["samples"].tolist() == [samples, samples]


def test_a_patch_tells_which_part_of_its_picture_is_shrunken_and_sampled() -> None:
    """A window of 2.5 pixels a step: shrunken by two, with a margin of four pixels for the sampling."""
    pictures = [picture_of(layout_of(640, 360)), picture_of(layout_of(360, 640, rotation=270))]
    window = PatchWindow(left=100, top=20, step_x=2.5, step_y=2.5)
    upright, turned = patch_records(pictures, [(0, window), (1, window)])
    assert (upright["picture"], turned["picture"]) == (0, 1)
    assert (upright["factor"], turned["factor"]) == (2, 2)
    # The first pixel's middle is at (101.25, 21.25), index (100.75, 20.75); the patch is 320 pixels wide.
    assert upright["first"].tolist() == [100 - 4, 20 - 4]
    assert upright["size"].tolist() == [(421 + 4 - 96) // 2, (341 + 4 - 16) // 2]
    np.testing.assert_allclose(upright["map"], [[1.25, 0, 2.125], [0, 1.25, 2.125]])
    # Turned by 270 degrees, upright x runs down the stored picture and upright y from its right to its left.
    np.testing.assert_allclose(turned["map"][:, :2], [[0, -1.25], [1.25, 0]])
    np.testing.assert_array_equal(turned["first"], [359 - 341 - 4, 96])


@pytest.mark.parametrize(
    ("rotation", "size", "corner"),
    [(0, (64, 36), (0, 0)), (90, (36, 64), (0, 63)), (180, (64, 36), (63, 35)), (270, (36, 64), (35, 0))],
)
def test_a_thumbnail_tells_where_its_upright_corner_is_stored(
    rotation: int, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    (record,) = thumbnail_records([picture_of(layout_of(1920, 1080, rotation=rotation))])
    assert record["picture"]["luma"] == ADDRESS
    assert tuple(record["size"]) == size
    assert tuple(record["map"][:, 2]) == corner
    assert record["stride"] == 7  # 1080 rows, of which 144 would do


def test_a_surface_refuses_a_layout_that_the_kernels_can_not_read() -> None:
    encoding = Encoding(Matrix.ITU709, False)
    with pytest.raises(ValueError, match="pitch 102"):
        SurfaceLayout(100, 50, 102, NV12, encoding, Orientation())
    with pytest.raises(ValueError, match="pitch 100"):
        SurfaceLayout(101, 50, 100, NV12, encoding, Orientation())
    with pytest.raises(ValueError, match="interleaved"):
        SurfaceLayout(100, 50, 100, YuvSamples(8, 0, False), encoding, Orientation())


def test_a_picture_refuses_a_buffer_too_small_and_gives_its_own_back_once() -> None:
    layout = layout_of(100, 50)
    small = BufferPool(1, lambda: DeviceArray(ADDRESS, (layout.nbytes - 1,), np.dtype(np.uint8)))
    with pytest.raises(ValueError, match="can't hold a picture of 30000"):
        DevicePicture(small.lease(), layout, HOST_EVENT)
    pool = BufferPool(1, lambda: DeviceArray(ADDRESS, (layout.nbytes,), np.dtype(np.uint8)))
    picture = DevicePicture(pool.lease(), layout, HOST_EVENT)
    assert repr(picture) == "<DevicePicture 100x50, 8 bit, held>"
    picture.release()
    picture.release()
    assert pool.statistics().leased == 0
    with pytest.raises(PoolClosed):
        _ = picture.luma
