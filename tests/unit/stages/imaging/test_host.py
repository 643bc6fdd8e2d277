"""HostImaging and HostAdmission on pictures of every kind."""

from __future__ import annotations

import threading
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from stages.buffers import HostStream
from stages.errors import PoolClosed
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.imaging import HostImaging
from stages.imaging.host.picture import HostPicture
from stages.imaging.letterbox import DetectorInput
from stages.imaging.orientation import Orientation
from tests.clips import Image, picture, read_number
from tests.unit.stages.imaging import reference
from tests.unit.stages.imaging.frames import smooth_planes, yuv_frame

STREAM = HostStream()


def coded(upright: Image, rotation_degrees: int, pix_fmt: str) -> av.VideoFrame:
    """A frame as a camera held on its side would code it."""
    turned = np.ascontiguousarray(np.rot90(upright, rotation_degrees // 90))
    return av.VideoFrame.from_ndarray(turned, "bgr24").reformat(format=pix_fmt, dst_colorspace=5, dst_color_range=1)


def admitted(frame: av.VideoFrame, orientation: Orientation | None = None, *, longest: int = 160) -> HostPicture:
    made = HostAdmission(DetectorInput(longest), capacity=1).admit(frame, orientation or Orientation())
    assert made is not None
    return made


@pytest.mark.parametrize("rotation_degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "nv12", "yuv420p10le", "p010le", "yuv422p", "yuv444p", "gbrp", "rgba"])
def test_every_view_of_a_picture_is_upright(rotation_degrees: int, pix_fmt: str) -> None:
    upright = picture(613)
    made = admitted(coded(upright, rotation_degrees, pix_fmt), Orientation(rotation_degrees))
    imaging = HostImaging(max_batch=1)

    assert (made.width, made.height) == (320, 180)
    box = DetectorInput(160).fit(320, 180)
    content = imaging.letterbox([made], stream=STREAM)[0][box.offset_y :][: box.content_height]
    assert read_number(content) == 613
    assert read_number(imaging.to_bgr(made)) == 613
    # The whole picture is 180 pixels high; its left 180 columns as they are.
    identity = np.array([[[1, 0, 0], [0, 1, 0]]], np.float32)
    crop = imaging.crop([made], [identity], 180, stream=STREAM)[0]
    difference = np.abs(crop.astype(int) - upright[:, :180])
    assert np.median(difference) <= 3
    assert np.mean(difference) <= 5


@pytest.mark.parametrize("rotation_degrees", [0, 90])
def test_a_picture_is_shown_no_wider_than_asked_for(rotation_degrees: int) -> None:
    upright = picture(613)
    made = admitted(coded(upright, rotation_degrees, "yuv420p"), Orientation(rotation_degrees))
    imaging = HostImaging(max_batch=1)
    whole = imaging.to_bgr(made)
    small = imaging.to_bgr(made, 160)
    assert small.shape == (90, 160, 3)
    np.testing.assert_array_equal(small, cv2.resize(whole, (160, 90), interpolation=cv2.INTER_AREA))
    np.testing.assert_array_equal(imaging.to_bgr(made, 1920), whole)


@pytest.mark.parametrize("pix_fmt", ["gray", "yuva420p", "gray10le", "rgb8"])
def test_pictures_without_plain_colour_are_shown_too(pix_fmt: str) -> None:
    made = admitted(av.VideoFrame.from_ndarray(np.full((40, 60, 3), 128, np.uint8), "bgr24").reformat(format=pix_fmt))
    shown = HostImaging(max_batch=1).to_bgr(made)
    assert shown.shape == (40, 60, 3)
    assert shown.mean() == pytest.approx(128, abs=20)  # rgb8 has four blues


@pytest.mark.parametrize("size", [(33, 1), (1, 33), (1, 1), (3, 5)])
def test_tiny_pictures_are_blown_up(size: tuple[int, int]) -> None:
    made = admitted(av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 200, np.uint8), "bgr24"))
    assert made.detector_input.max() == pytest.approx(200, abs=2)


@pytest.mark.parametrize("size", [(641, 359), (359, 641), (1920, 1080)])
def test_the_letterbox_is_the_mean_of_what_each_pixel_covers(size: tuple[int, int]) -> None:
    """Tolerance: swscale's area filter rounds its weights; on smooth pictures it stays within a few levels."""
    width, height = size
    planes = smooth_planes(np.random.default_rng(7), width, height, 8)
    detector_input = DetectorInput(160, pad_value=114)
    made = HostAdmission(detector_input, capacity=1).admit(yuv_frame(planes, "yuv420p"), Orientation())
    assert made is not None

    box = detector_input.fit(width, height)
    rows = slice(box.offset_y, box.offset_y + box.content_height)
    columns = slice(box.offset_x, box.offset_x + box.content_width)
    got = HostImaging(max_batch=1).letterbox([made], stream=STREAM)[0]
    assert got.shape == (*detector_input.shape(width, height), 3)
    border = np.ones(got.shape[:2], bool)
    border[rows, columns] = False
    assert (got[border] == 114).all()

    chroma = [np.kron(plane, np.ones((2, 2)))[:height, :width] for plane in planes[1:]]
    yuv = np.stack([planes[0], *chroma], axis=-1)
    full = reference.to_bgr(yuv, matrix="bt601", is_full_range=False, bits=8)
    expected = reference.area_resize(full, box.content_width, box.content_height)
    assert np.abs(got[rows, columns] - expected).mean() <= 4


def test_wide_pixels_are_stretched_in_the_detector_input() -> None:
    made = admitted(coded(picture(5, 180, 144), 0, "yuv420p"), Orientation(0, 64 / 45), longest=256)
    assert made.pixel_aspect == pytest.approx(64 / 45)
    assert made.detector_input.shape == (160, 256, 3)
    assert read_number(made.detector_input[8:152]) == 5


def test_a_sideways_wide_pixel_is_a_high_one() -> None:
    made = admitted(coded(picture(5, 144, 180), 90, "yuv420p"), Orientation(90, 2.0))
    assert made.pixel_aspect == 0.5


def test_untagged_video_is_709_when_high_and_601_when_low() -> None:
    def green(height: int) -> int:
        planes = [np.full((height, 64), 100.0), *[np.full((height // 2, 32), 60.0)] * 2]
        frame = yuv_frame(planes, "yuv420p")
        frame.colorspace = 2
        identity = np.array([[[1, 0, 0], [0, 1, 0]]], np.float32)
        return int(HostImaging(max_batch=1).crop([admitted(frame)], [identity], 8, stream=STREAM)[0, 4, 4, 1])

    assert green(480) == pytest.approx(1.164 * 84 + (0.392 + 0.813) * 68, abs=1.5)
    assert green(720) == pytest.approx(1.164 * 84 + (0.213 + 0.533) * 68, abs=1.5)


def test_crops_of_several_pictures_come_in_order() -> None:
    pictures = [admitted(coded(np.full((64, 64, 3), value, np.uint8), 0, "yuv420p")) for value in (50, 100, 200)]
    identity = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    transforms = [np.stack([identity] * count) for count in (2, 1, 3)]
    transforms[1] = np.empty((0, 2, 3), np.float32)
    crops = HostImaging(max_batch=2).crop(pictures, transforms, 16, stream=STREAM)
    assert crops.shape == (5, 16, 16, 3)
    assert [round(float(crop.mean()) / 50) for crop in crops] == [1, 1, 4, 4, 4]


def test_outside_the_picture_is_black() -> None:
    for pix_fmt in ("yuv420p", "p010le", "yuvj420p", "bgr24"):
        made = admitted(
            av.VideoFrame.from_ndarray(np.full((64, 64, 3), 200, np.uint8), "bgr24").reformat(format=pix_fmt)
        )
        far = np.array([[[1, 0, 500], [0, 1, 500]]], np.float32)
        assert HostImaging(max_batch=1).crop([made], [far], 16, stream=STREAM).max() == 0


def test_pictures_of_other_memory_are_refused() -> None:
    with pytest.raises(TypeError, match="not in host memory"):
        HostImaging(max_batch=1).letterbox([object()], stream=STREAM)  # type: ignore[list-item]


def test_a_released_picture_gives_its_buffer_back_once_and_is_not_read() -> None:
    admission = HostAdmission(DetectorInput(160), capacity=2)
    made = admission.admit(coded(picture(1), 0, "yuv420p"), Orientation())
    assert made is not None
    assert repr(made) == "<HostPicture 320x180 yuv420p>"
    made.release()
    made.release()
    assert admission.statistics().leased == 0
    assert repr(made) == "<HostPicture 320x180 released>"
    with pytest.raises(ValueError, match="released"):
        HostImaging(max_batch=1).to_bgr(made)
    with pytest.raises(PoolClosed):
        HostImaging(max_batch=1).letterbox([made], stream=STREAM)


def test_a_live_source_drops_and_counts_what_finds_no_buffer() -> None:
    admission = HostAdmission(DetectorInput(160), capacity=1, waits=False)
    frame = coded(picture(1), 0, "yuv420p")
    held = admission.admit(frame, Orientation())
    assert held is not None
    assert admission.admit(frame, Orientation()) is None
    assert admission.frames_dropped == 1
    held.release()
    assert admission.admit(frame, Orientation()) is not None


def test_interrupt_wakes_a_decoder_that_waits_for_a_buffer() -> None:
    """Thread A takes the only buffer and waits for a second; the test interrupts it, in the wait or before."""
    admission = HostAdmission(DetectorInput(160), capacity=1)
    frame = coded(picture(1), 0, "yuv420p")
    holds_first = threading.Event()
    outcome: list[str] = []

    def decode() -> None:
        admission.admit(frame, Orientation())
        holds_first.set()
        try:
            admission.admit(frame, Orientation())
        except PoolClosed:
            outcome.append("closed")

    thread = threading.Thread(target=decode)
    thread.start()
    holds_first.wait()
    admission.interrupt()
    thread.join(10)
    assert outcome == ["closed"]
    with pytest.raises(PoolClosed):
        admission.admit(coded(picture(1, 100, 80), 0, "yuv420p"), Orientation())


def test_a_new_size_gets_a_new_pool_and_old_pictures_stay_valid() -> None:
    admission = HostAdmission(DetectorInput(160), capacity=1)
    small = admission.admit(coded(picture(1), 0, "yuv420p"), Orientation())
    square = admission.admit(coded(picture(2, 200, 200), 0, "yuv420p"), Orientation())
    assert small is not None
    assert square is not None
    assert square.detector_input.shape == (160, 160, 3)
    assert read_number(small.detector_input[3:93]) == 1
    small.release()
    square.release()
    assert admission.statistics().leased == 0


def test_an_interlaced_picture_shows_its_first_field_alone() -> None:
    """Two moments combed together: everything seen belongs to the first one."""
    planes = [np.full((128, 128), 40.0), *[np.full((64, 64), 128.0)] * 2]
    planes[0][1::2] = 220
    made = admitted(interlaced(yuv_frame(planes, "yuv420p")))
    assert made.detector_input.max() <= 40
    identity = np.array([[[1, 0, 20], [0, 1, 20]]], np.float32)
    assert HostImaging(max_batch=1).crop([made], [identity], 32, stream=STREAM).max() <= 40


def interlaced(frame: av.VideoFrame) -> av.VideoFrame:
    """The same frame, marked interlaced by FFmpeg's own filter."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
    graph.push(frame)
    marked = graph.pull()
    assert isinstance(marked, av.VideoFrame)
    assert marked.interlaced_frame
    return marked
