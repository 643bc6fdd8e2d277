"""The decoder's planes as arrays: views of its own buffers wherever possible, never copies.

8- and 10-bit 4:2:0, what video almost always is, is read in place. All else (stills, 4:2:2, 4:4:4, gray, palettes,
alpha) has no planes here and is converted to BGR by swscale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, VideoReformatter
from cv2.typing import MatLike
from numpy.typing import NDArray

from stages.imaging.colour import NV12, P010, Encoding, YuvSamples
from stages.imaging.tones import TOP

__all__ = ["TURNS", "Plane", "luma_plane", "merge_to_bgr", "packed_bgr", "yuv_planes", "yuv_samples"]

TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
"""OpenCV's codes for clockwise turns, by degrees."""

WORD_SHIFT = 6
"""From words to the ten bits of `tones.TOP`."""

_YUV_420 = {
    "yuv420p": YuvSamples(bits=8, shift=0, is_semi_planar=False),
    "yuvj420p": YuvSamples(bits=8, shift=0, is_semi_planar=False),
    "nv12": NV12,
    "yuv420p10le": YuvSamples(bits=10, shift=0, is_semi_planar=False),
    "p010le": P010,
}


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of samples.

    Attributes:
        samples: (h, w) or (h, w, channels), a view of the decoder's memory.
        scale_x, shift_x: x of this plane = x of the coded frame * scale_x + shift_x, both as pixel indices; y likewise.
        black: the value outside the picture, one for each channel.
        is_chroma: half the resolution of the picture.
    """

    samples: NDArray[np.uint8] | NDArray[np.uint16]
    black: tuple[int, ...]
    scale_x: float = 1.0
    scale_y: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    is_chroma: bool = False


def yuv_planes(frame: av.VideoFrame, yuv: YuvSamples, encoding: Encoding) -> list[Plane]:
    """Y, Cb and Cr, or Y and CbCr, of the coded frame.

    An interlaced frame shows two moments; only its first field is returned. Averaging the fields lost up to a quarter
    of the faces of a combed, moving clip to YuNet, one field a fiftieth.
    """
    luma, *chroma = (_view(plane, yuv.dtype) for plane in frame.planes)
    if yuv.is_semi_planar:
        chroma = [chroma[0].reshape(len(chroma[0]), -1, 2)]
    y, cb, cr = yuv.black(encoding)
    blacks = [(cb, cr)] if yuv.is_semi_planar else [(cb,), (cr,)]
    step = 2 if frame.interlaced_frame else 1
    chroma_width = (frame.width + 1) // 2
    # A chroma sample is taken to lie in the middle of its 2 x 2 luma samples.
    return [
        Plane(luma[::step, : frame.width], black=(y,), scale_y=1 / step),
        *(
            Plane(
                samples[::step, :chroma_width],
                black,
                scale_x=0.5,
                scale_y=0.5 / step,
                shift_x=-0.25,
                shift_y=-0.25,
                is_chroma=True,
            )
            for samples, black in zip(chroma, blacks, strict=True)
        ),
    ]


def luma_plane(frame: av.VideoFrame, yuv: YuvSamples, encoding: Encoding) -> Plane:
    """The first of `yuv_planes` alone, for those who need it often."""
    step = 2 if frame.interlaced_frame else 1
    samples = _view(frame.planes[0], yuv.dtype)[::step, : frame.width]
    return Plane(samples, black=yuv.black(encoding)[:1], scale_y=1 / step)


def merge_to_bgr(channels: Sequence[MatLike], yuv: YuvSamples, encoding: Encoding, out: NDArray[np.uint8]) -> None:
    """Convert samples of one size, (h, w) or (h, w, 2), into `out`, uint8 (h, w, 3), BGR, tones mapped."""
    samples, to_bgr = cv2.merge(channels), yuv.to_bgr(encoding)
    if not encoding.tones.is_plain:
        numbers = cv2.transform(samples.astype(np.float32), to_bgr * (TOP / 255))
        encoding.tones.map(np.rint(np.clip(numbers, 0, TOP)).astype(np.uint16), out)
    elif samples.dtype == np.uint8:
        cv2.transform(samples, to_bgr, dst=out)
    else:
        np.minimum(cv2.transform(samples, to_bgr), 255, out=out, casting="unsafe")


def yuv_samples(frame: av.VideoFrame) -> YuvSamples | None:
    """How the frame's 4:2:0 samples lie; None for all that is not read in place."""
    if any(plane.line_size <= 0 for plane in frame.planes):  # stored bottom-up
        return None
    return _YUV_420.get(frame.format.name)


def packed_bgr(
    reformatter: VideoReformatter,
    frame: av.VideoFrame,
    encoding: Encoding,
    size: tuple[int, int] | None = None,
    interpolation: int | None = None,
) -> NDArray[np.uint8]:
    """The coded frame as uint8 (height, width, 3), BGR, tones mapped, scaled to size (width, height) if given."""
    width, height = size or (frame.width, frame.height)
    result = reformatter.reformat(
        frame,
        width,
        height,
        "bgr24" if encoding.tones.is_plain else "bgr48le",
        src_colorspace=encoding.matrix,
        src_color_range=encoding.range,
        dst_color_range=ColorRange.JPEG,
        interpolation=interpolation,
        threads=1,
    )
    if encoding.tones.is_plain:
        return _view(result.planes[0], np.dtype(np.uint8))[:, : 3 * width].reshape(height, width, 3)
    words = _view(result.planes[0], np.dtype(np.uint16))[:, : 3 * width].reshape(height, width, 3)
    bgr = np.empty((height, width, 3), np.uint8)
    encoding.tones.map(np.asarray(words >> WORD_SHIFT, np.uint16), bgr)
    return bgr


def _view(plane: VideoPlane, dtype: np.dtype[np.uint8] | np.dtype[np.uint16]) -> NDArray[np.uint8]:
    """(rows, samples with padding) of a plane's memory; typed as bytes, though it may be words."""
    return np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)  # type: ignore[return-value]
