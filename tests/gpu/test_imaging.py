"""Ownership, order and frugality of `DeviceImaging` and `DevicePicture`."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from stages.buffers import HostStream
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.errors import PoolClosed
from stages.imaging.device.imaging import DeviceImaging
from stages.imaging.letterbox import DetectorInput
from tests.gpu.surfaces import Surfaces, layout_of

INPUT = DetectorInput(longest=128)
IDENTITY = np.array([[[1, 0, 3], [0, 1, 4]]], np.float32)


@pytest.fixture
def imaging(device: CudaDevice) -> Iterator[DeviceImaging]:
    imaging = DeviceImaging(device, detector_input=INPUT, max_batch=2, crop_size=32, max_crops=4)
    yield imaging
    imaging.close()


def test_the_steady_state_allocates_and_downloads_nothing(
    device: CudaDevice, imaging: DeviceImaging, surfaces: Surfaces, stream: CudaStream
) -> None:
    pictures = [surfaces.random(layout_of(160, 90))[0] for _ in range(2)]
    before = device.statistics()
    for _ in range(20):
        imaging.letterbox(pictures, stream=stream)
        imaging.crop(pictures, [IDENTITY, IDENTITY], 32, stream=stream)
    after = device.statistics()
    assert (after.allocations, after.frees) == (before.allocations, before.frees)
    assert after.bytes_to_host == before.bytes_to_host
    assert after.bytes_to_device - before.bytes_to_device == 20 * (2 * 128 + 2 * 80 + 2 * 32)


def test_a_buffer_is_not_overwritten_before_its_last_reader_is_done(
    device: CudaDevice, imaging: DeviceImaging, surfaces: Surfaces, stream: CudaStream
) -> None:
    """detect has read; embed's read is queued behind long work; the owner releases; decode leases the buffer again."""
    picture, _ = surfaces.random(layout_of(160, 90))
    embed, decode = device.create_stream(), device.create_stream()
    ballast = device.allocate((1 << 30,))
    imaging.letterbox([picture], stream=stream)
    for _ in range(100):
        embed.fill(ballast, 0)
    imaging.crop([picture], [IDENTITY], 32, stream=embed)
    has_read = embed.record()
    picture.release()
    lease = surfaces.pools[0].lease(stream=decode)
    is_waiting = not has_read.is_done
    decode.fill(lease.buffer, 0)
    decode.synchronize()
    assert has_read.is_done
    assert is_waiting, "the card was too fast for this test: lengthen the work before the crop"
    lease.release()
    for used in (embed, decode):
        used.close()
    device.free(ballast)


def test_a_released_picture_can_not_be_read(imaging: DeviceImaging, surfaces: Surfaces, stream: CudaStream) -> None:
    picture, _ = surfaces.random(layout_of(64, 38))
    picture.release()
    picture.release()
    assert repr(picture) == "<DevicePicture 64x38, 8 bit, released>"
    with pytest.raises(PoolClosed):
        imaging.letterbox([picture], stream=stream)


def test_a_turned_picture_is_the_upright_one_turned(
    imaging: DeviceImaging, device: CudaDevice, stream: CudaStream
) -> None:
    shown = {}
    for rotation in (0, 90, 180, 270):
        with Surfaces(device, stream, seed=7) as surfaces:
            picture, _ = surfaces.random(layout_of(64, 38, rotation=rotation))
            shown[rotation] = imaging.to_bgr(picture)
            picture.release()
    for rotation in (90, 180, 270):
        np.testing.assert_array_equal(shown[rotation], np.rot90(shown[0], -rotation // 90))


def test_a_preview_survives_the_next_one(imaging: DeviceImaging, surfaces: Surfaces) -> None:
    first, _ = surfaces.random(layout_of(64, 38))
    larger, _ = surfaces.random(layout_of(128, 76))
    shown = imaging.to_bgr(first)
    copy = shown.copy()
    assert imaging.to_bgr(larger).shape == (76, 128, 3)
    np.testing.assert_array_equal(shown, copy)


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_preview_is_the_mean_of_the_picture_and_crosses_the_bus_small(
    device: CudaDevice, imaging: DeviceImaging, surfaces: Surfaces, rotation: int
) -> None:
    """The host's twin is OpenCV's area mean of the whole picture; rounding before or after it costs two levels."""
    layout = layout_of(1920, 1080, rotation=rotation)
    down, across = np.mgrid[0:1080, 0:1920]
    picture, _ = surfaces.showing(layout, 128 + 60 * np.sin(across / 40) + 40 * np.cos(down / 25), is_gray=True)
    before = device.statistics().bytes_to_host
    whole = imaging.to_bgr(picture)
    between = device.statistics().bytes_to_host
    small = imaging.to_bgr(picture, 640 if rotation == 0 else 360)
    after = device.statistics().bytes_to_host
    assert small.shape == ((360, 640, 3) if rotation == 0 else (640, 360, 3))
    assert 8 * (after - between) <= between - before
    expected = cv2.resize(whole, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected).max() <= 2
    np.testing.assert_array_equal(imaging.to_bgr(picture, 4096), whole)


def test_requests_beyond_what_was_announced_are_refused(
    imaging: DeviceImaging, surfaces: Surfaces, stream: CudaStream
) -> None:
    picture, _ = surfaces.random(layout_of(64, 38))
    with pytest.raises(ValueError, match="1 to 2 pictures, not 3"):
        imaging.letterbox([picture] * 3, stream=stream)
    with pytest.raises(ValueError, match="5 crops"):
        imaging.crop([picture], [np.repeat(IDENTITY, 5, axis=0)], 32, stream=stream)
    with pytest.raises(ValueError, match="crops of 33 pixels"):
        imaging.crop([picture], [IDENTITY], 33, stream=stream)
    with pytest.raises(TypeError, match="HostStream"):
        imaging.letterbox([picture], stream=HostStream())


def test_closing_gives_all_memory_back(device: CudaDevice, surfaces: Surfaces) -> None:
    picture, _ = surfaces.random(layout_of(64, 38))
    before = device.statistics().bytes_allocated
    imaging = DeviceImaging(device, detector_input=INPUT, max_batch=2, crop_size=32, max_crops=4)
    imaging.to_bgr(picture)
    imaging.close()
    imaging.close()
    assert device.statistics().bytes_allocated == before
