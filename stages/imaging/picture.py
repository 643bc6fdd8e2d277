"""A frame in host memory: the decoder's own planes, and the detector's input made from them.

The planes are views of the decoder's buffers, never copies; they go back to the decoder with `release`. Frames that are
not 8- or 10-bit 4:2:0 (stills, 4:4:4, gray, palettes, alpha) are converted to BGR once, when first looked at closely.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from stages.buffers import Lease
from stages.imaging.colour import Encoding, YuvSamples
from stages.imaging.orientation import Orientation

__all__ = ["HostPicture", "Plane", "packed_bgr", "yuv_samples"]

_YUV_420 = {
    "yuv420p": YuvSamples(bits=8, shift=0, is_semi_planar=False),
    "yuvj420p": YuvSamples(bits=8, shift=0, is_semi_planar=False),
    "nv12": YuvSamples(bits=8, shift=0, is_semi_planar=True),
    "yuv420p10le": YuvSamples(bits=10, shift=0, is_semi_planar=False),
    "p010le": YuvSamples(bits=10, shift=6, is_semi_planar=True),
}


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of samples.

    Attributes:
        samples: (h, w) or (h, w, channels), a view of the decoder's memory.
        scale_x, shift_x: x of this plane = x of the coded frame * scale_x + shift_x, both as pixel indices; y likewise.
        black: the value outside the picture, one for each channel.
    """

    samples: NDArray[np.uint8] | NDArray[np.uint16]
    black: tuple[int, ...]
    scale_x: float = 1.0
    scale_y: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0


class HostPicture:
    """Pixels of one frame in host memory. Implements `stages.frames.Picture`."""

    __slots__ = ("_frame", "_lease", "_lock", "_packed", "encoding", "height", "orientation", "width")

    def __init__(
        self, frame: av.VideoFrame, *, orientation: Orientation, encoding: Encoding, lease: Lease[NDArray[np.uint8]]
    ) -> None:
        """
        Args:
            frame: as the decoder delivered it; the picture shares its memory.
            lease: uint8 (H, W, 3), BGR: the letterboxed detector input.
        """
        self._frame: av.VideoFrame | None = frame
        self._lease = lease
        self._packed: NDArray[np.uint8] | None = None
        self._lock = threading.Lock()
        self.orientation = orientation
        self.encoding = encoding
        self.width, self.height = orientation.upright_size(frame.width, frame.height)

    def __repr__(self) -> str:
        state = self.frame.format.name if self._frame is not None else "released"
        return f"<HostPicture {self.width}x{self.height} {state}>"

    @property
    def pixel_aspect(self) -> float:
        """Width of a pixel over its height, upright."""
        return self.orientation.upright_pixel_aspect

    @property
    def frame(self) -> av.VideoFrame:
        """The decoder's frame. Raises ValueError after `release`."""
        frame = self._frame
        if frame is None:
            raise ValueError("this picture was released")
        return frame

    @property
    def detector_input(self) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), BGR, letterboxed. Raises PoolClosed after `release`."""
        return self._lease.buffer

    @property
    def yuv(self) -> YuvSamples | None:
        """How the planes' samples lie; None if the picture has one BGR plane instead."""
        return yuv_samples(self.frame)

    def planes(self) -> list[Plane]:
        """Views of the coded frame: Y, Cb and Cr, or Y and CbCr, or one BGR plane.

        An interlaced frame shows two moments; its first field alone is shown then, so that nothing is combed.
        """
        frame, yuv = self.frame, self.yuv
        if yuv is None:
            return [Plane(self._to_packed(frame), black=(0, 0, 0))]
        luma, *chroma = (_view(plane, yuv.dtype) for plane in frame.planes)
        if yuv.is_semi_planar:
            chroma = [chroma[0].reshape(len(chroma[0]), -1, 2)[:, : -(-frame.width // 2)]]
        luma = luma[:, : frame.width]
        y, cb, cr = yuv.black(self.encoding)
        blacks = [(cb, cr)] if yuv.is_semi_planar else [(cb,), (cr,)]
        step = 2 if frame.interlaced_frame else 1
        # Chroma samples are taken to lie in the middle of their 2 x 2 luma pixels.
        return [
            Plane(luma[::step], black=(y,), scale_y=1 / step),
            *(
                Plane(samples[::step], black, scale_x=0.5, scale_y=0.5 / step, shift_x=-0.25, shift_y=-0.25)
                for samples, black in zip(chroma, blacks, strict=True)
            ),
        ]

    def release(self) -> None:
        """Give the decoder's frame and the detector input back. Safe to call twice and from any thread."""
        self._frame = None
        self._packed = None
        self._lease.release()

    def _to_packed(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        with self._lock:
            if self._packed is None:
                self._packed = packed_bgr(VideoReformatter(), frame, self.encoding)
            return self._packed


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
    """The coded frame as uint8 (height, width, 3), BGR, scaled to size (width, height) if given."""
    width, height = size or (frame.width, frame.height)
    result = reformatter.reformat(
        frame,
        width,
        height,
        "bgr24",
        src_colorspace=encoding.matrix,
        src_color_range=encoding.range,
        dst_color_range=2,
        interpolation=interpolation,
        threads=1,
    )
    return _view(result.planes[0], np.dtype(np.uint8))[:, : 3 * width].reshape(height, width, 3)


def _view(plane: VideoPlane, dtype: np.dtype[np.uint8] | np.dtype[np.uint16]) -> NDArray[np.uint8]:
    """(rows, samples with padding) of a plane's memory; typed as bytes, though it may be words."""
    return np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)  # type: ignore[return-value]
