"""Frames of host memory on their way to a card: the layout, the values, one field of two."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from stages.imaging.colour import NV12, P010, Encoding
from stages.imaging.device.interleave import interleave
from stages.imaging.device.picture import SurfaceLayout
from stages.imaging.orientation import Orientation
from tests.clips import write_clip
from tests.unit.stages.imaging.frames import smooth_planes, yuv_frame

WIDTH, HEIGHT, PITCH = 61, 35, 256


def interleaved(pix_fmt: str, bits: int) -> tuple[list[NDArray[np.float64]], NDArray[np.float64], NDArray[np.float64]]:
    """Planes, and what `interleave` makes of them: luma, and chroma (rows, columns, 2); code values."""
    planes = smooth_planes(np.random.default_rng(0), WIDTH, HEIGHT, bits)
    frame = yuv_frame(planes, pix_fmt)
    samples = NV12 if bits == 8 else P010
    layout = SurfaceLayout(WIDTH, HEIGHT, PITCH, samples, Encoding.of(frame), Orientation(0, 1.0))
    target = np.full(layout.nbytes, 0xAB, np.uint8)
    interleave(frame, layout, target, VideoReformatter())
    rows = target.reshape(-1, PITCH)
    assert (rows[:, layout.row_bytes :] == 0xAB).all()
    values = (rows[:, : layout.row_bytes].copy().view(samples.dtype) >> samples.shift).astype(np.float64)
    return planes, values[:HEIGHT, :WIDTH], values[HEIGHT:].reshape(layout.chroma_rows, -1, 2)


@pytest.mark.parametrize(("pix_fmt", "bits"), [("yuv420p", 8), ("nv12", 8), ("yuv420p10le", 10), ("p010le", 10)])
def test_four_two_zero_samples_arrive_unchanged(pix_fmt: str, bits: int) -> None:
    (y, cb, cr), luma, chroma = interleaved(pix_fmt, bits)
    np.testing.assert_array_equal(luma, y)
    np.testing.assert_array_equal(chroma, np.stack([cb, cr], axis=-1))


def test_other_formats_become_four_two_zero_of_the_same_matrix_and_range() -> None:
    gray = np.round(np.linspace(0, 255, WIDTH * HEIGHT)).reshape(HEIGHT, WIDTH).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(np.stack([gray] * 3, axis=-1), format="bgr24")
    layout = SurfaceLayout(WIDTH, HEIGHT, PITCH, NV12, Encoding.of(frame), Orientation(0, 1.0))
    target = np.zeros(layout.nbytes, np.uint8)
    interleave(frame, layout, target, VideoReformatter())
    rows = target.reshape(-1, PITCH)
    assert np.abs(rows[:HEIGHT, :WIDTH] - (16 + gray * (219 / 255))).max() <= 1
    assert np.abs(rows[HEIGHT:, : layout.row_bytes].astype(int) - 128).max() <= 1


def test_an_interlaced_frame_shows_its_first_field_alone(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "interlaced.mp4", frames=2, is_interlaced=True, options={"qp": "0"})
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
    assert frame.interlaced_frame
    layout = SurfaceLayout(frame.width, frame.height, 512, NV12, Encoding.of(frame), Orientation(0, 1.0))
    target = np.zeros(layout.nbytes, np.uint8)
    interleave(frame, layout, target, VideoReformatter())
    luma = target.reshape(-1, 512)[: frame.height, : frame.width]
    stored = frame.to_ndarray()[: frame.height]
    np.testing.assert_array_equal(luma[::2], stored[::2])
    np.testing.assert_array_equal(luma[1::2], stored[::2])
