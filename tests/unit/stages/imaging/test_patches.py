"""Patches and thumbnails are what the upright picture shows, whatever the coded frame is like."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.patches import HostPatchReader
from stages.imaging.host.picture import HostPicture
from stages.imaging.letterbox import DetectorInput
from stages.imaging.orientation import Orientation
from stages.imaging.patches import PATCH_SIDE, THUMBNAIL_SIZE, Gray, PatchWindow
from tests.unit.stages.pictures import tagged_frame
from tests.unit.stages.track.scenes import texture


def admitted(upright: Gray, pix_fmt: str, rotation_degrees: int = 0) -> HostPicture:
    """A gray picture, coded as a camera held askew would."""
    coded = np.ascontiguousarray(np.rot90(upright, rotation_degrees // 90))
    frame = av.VideoFrame.from_ndarray(np.dstack([coded] * 3), "bgr24")
    if pix_fmt != "bgr24":
        frame = frame.reformat(format=pix_fmt, src_color_range=2, dst_color_range=2)
    picture = HostAdmission(DetectorInput(64), capacity=1).admit(frame, Orientation(rotation_degrees), detect=False)
    assert picture is not None
    return picture


def reference(upright: Gray, window: PatchWindow) -> Gray:
    """By shrinking the whole picture: slow and plain."""
    step = window.step_y
    columns = window.left + (np.arange(PATCH_SIDE) + 0.5) * window.step_x - 0.5
    rows = window.top + (np.arange(PATCH_SIDE) + 0.5) * step - 0.5
    soft = cv2.GaussianBlur(upright, (0, 0), 0.45 * step) if step > 1.5 else upright
    x, y = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    return np.asarray(cv2.remap(soft, x, y, cv2.INTER_LINEAR), np.uint8)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "nv12", "yuv420p10le", "p010le", "yuv444p", "bgr24"])
@pytest.mark.parametrize("rotation_degrees", [0, 90, 180, 270])
def test_a_patch_shows_what_its_window_covers(pix_fmt: str, rotation_degrees: int) -> None:
    upright = texture(4, 360, 640)
    picture = admitted(upright, pix_fmt, rotation_degrees)
    for box in ([100, 80, 160, 150], [300, 50, 500, 300], [210.4, 99.7, 260.2, 140.9]):
        window = PatchWindow.around(np.array(box, np.float32), 1.0)
        ((patch,),) = HostPatchReader().patches([picture], [[window]])
        inside = reference(upright, window) > 0
        difference = np.abs(patch.astype(int) - reference(upright, window).astype(int))[inside]
        assert patch.shape == (PATCH_SIDE, PATCH_SIDE)
        assert difference.mean() < 3


def test_outside_the_picture_is_black() -> None:
    picture = admitted(np.full((360, 640), 200, np.uint8), "yuv420p")
    near, away = (
        PatchWindow.around(np.array(box, np.float32), 1.0) for box in ([-60, 100, 20, 200], [900, 900, 960, 980])
    )
    ((cut, black),) = HostPatchReader().patches([picture], [[near, away]])
    assert cut[:, 0].max() <= 16
    assert cut[PATCH_SIDE // 2, -1] > 180
    assert black.max() == 0


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "p010le"])
def test_far_outside_a_picture_of_limited_range_its_black_goes_on(pix_fmt: str) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((360, 640, 3), 200, np.uint8), "bgr24").reformat(format=pix_fmt)
    picture = HostAdmission(DetectorInput(64), capacity=1).admit(frame, Orientation(), detect=False)
    assert picture is not None
    near, away = (
        PatchWindow.around(np.array(box, np.float32), 1.0) for box in ([-60, 100, 20, 200], [900, 900, 960, 980])
    )
    ((cut, black),) = HostPatchReader().patches([picture], [[near, away]])
    assert (cut[:, 0] == 16).all()
    assert (black == 16).all()


def test_several_pictures_are_read_at_once() -> None:
    pictures = [admitted(texture(seed, 360, 640), "yuv420p") for seed in range(3)]
    window = PatchWindow.around(np.array([100, 80, 160, 150], np.float32), 1.0)
    patches = HostPatchReader().patches(pictures, [[window], [], [window, window]])
    assert list(map(len, patches)) == [1, 0, 2]
    for picture, some in zip(pictures, patches, strict=True):
        for patch in some:
            np.testing.assert_array_equal(patch, HostPatchReader().patches([picture], [[window]])[0][0])
    for picture, thumbnail in zip(pictures, HostPatchReader().thumbnails(pictures), strict=True):
        np.testing.assert_array_equal(thumbnail, HostPatchReader().thumbnails([picture])[0])


@pytest.mark.parametrize("rotation_degrees", [0, 90, 180, 270])
def test_a_thumbnail_is_the_upright_picture_small(rotation_degrees: int) -> None:
    upright = texture(4, 720, 1280)
    (found,) = HostPatchReader().thumbnails([admitted(upright, "yuv420p", rotation_degrees)])
    assert found.shape == THUMBNAIL_SIZE[::-1]
    expected = cv2.resize(upright, THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - expected.astype(int)).mean() < 4


def test_the_detectors_input_is_made_late_where_nobody_meant_to_look() -> None:
    upright = texture(4, 360, 640)
    late = admitted(upright, "yuv420p")
    frame = av.VideoFrame.from_ndarray(np.dstack([upright] * 3), "bgr24")
    frame = frame.reformat(format="yuv420p", src_color_range=2, dst_color_range=2)
    early = HostAdmission(DetectorInput(64), capacity=1).admit(frame, Orientation())
    assert early is not None
    np.testing.assert_array_equal(late.detector_input, early.detector_input)


def test_pictures_of_another_memory_are_refused() -> None:
    with pytest.raises(TypeError, match="not in host memory"):
        HostPatchReader().thumbnails([tagged_frame(1).picture])
