"""A frame in host memory: the decoder's own planes, and the detector's input made from them.

Both go back with `release`, the planes to the decoder and the input to its pool. A frame whose planes can't be read in
place is converted to BGR once, when it is first looked at closely.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from stages.buffers import Lease
from stages.frames import Picture
from stages.imaging.colour import Encoding, YuvSamples
from stages.imaging.host.planes import Plane, packed_bgr, yuv_planes, yuv_samples
from stages.imaging.orientation import Orientation

__all__ = ["HostPicture"]


class HostPicture:
    """Pixels of one frame in host memory. Implements `stages.frames.Picture`."""

    __slots__ = ("_frame", "_lease", "_lock", "_packed", "_shrink", "encoding", "height", "orientation", "width")

    def __init__(
        self,
        frame: av.VideoFrame,
        *,
        orientation: Orientation,
        encoding: Encoding,
        lease: Lease[NDArray[np.uint8]],
        shrink: Callable[[NDArray[np.uint8]], None] | None = None,
    ) -> None:
        """
        Args:
            frame: as the decoder delivered it; the picture shares its memory.
            lease: uint8 (H, W, 3), BGR: the letterboxed detector input.
            shrink: writes the frame into the lease when the input is first asked for; None if it is there already.
        """
        self._frame: av.VideoFrame | None = frame
        self._lease = lease
        self._shrink = shrink
        self._packed: NDArray[np.uint8] | None = None
        self._lock = threading.Lock()
        self.orientation = orientation
        self.encoding = encoding
        self.width, self.height = orientation.upright_size(frame.width, frame.height)

    def __repr__(self) -> str:
        state = self.frame.format.name if self._frame is not None else "released"
        return f"<HostPicture {self.width}x{self.height} {state}>"

    @classmethod
    def of(cls, picture: Picture) -> HostPicture:
        """The picture, if it is in host memory. Raises TypeError for one on a card."""
        if not isinstance(picture, cls):
            raise TypeError(f"{type(picture).__name__} is not in host memory; use the imaging that belongs to it")
        return picture

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
        buffer = self._lease.buffer
        with self._lock:
            shrink, self._shrink = self._shrink, None
            if shrink is not None:
                shrink(buffer)
        return buffer

    @property
    def yuv(self) -> YuvSamples | None:
        """How the planes' samples lie; None if the picture has one BGR plane instead."""
        return yuv_samples(self.frame)

    def planes(self) -> list[Plane]:
        """Y, Cb and Cr, or Y and CbCr, of the coded frame (the first field of an interlaced one); or one BGR plane."""
        frame, yuv = self.frame, self.yuv
        if yuv is not None:
            return yuv_planes(frame, yuv, self.encoding)
        return [Plane(self._to_packed(frame), black=(0, 0, 0))]

    def release(self) -> None:
        """Give the decoder's frame and the detector input back. Safe to call twice and from any thread."""
        self._frame = None
        self._packed = None
        self._shrink = None
        self._lease.release()

    def _to_packed(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        with self._lock:
            if self._packed is None:
                self._packed = packed_bgr(VideoReformatter(), frame, self.encoding)
            return self._packed
