"""Makes pictures of decoded frames, on the decode thread.

One swscale call a frame, from the decoder's format to the detector's small BGR input in a leased buffer; for a frame
that is not to be looked at not even that, unless it is detected after all. The pool's capacity bounds the frames that a
source can have in flight. Under pressure a file waits for a buffer; a live source drops the frame and counts it.
"""

from __future__ import annotations

import functools

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from stages.buffers import BufferPool, PoolStatistics
from stages.buffers.source_pool import SourcePool
from stages.imaging.colour import Encoding
from stages.imaging.host.picture import HostPicture
from stages.imaging.host.planes import TURNS, merge_to_bgr, packed_bgr, yuv_planes, yuv_samples
from stages.imaging.letterbox import DetectorInput, Letterbox
from stages.imaging.orientation import Orientation

__all__ = ["HostAdmission"]


class HostAdmission:
    """The CPU pipeline's admission, one a source. Implements `stages.decode.video.Admission`."""

    def __init__(self, detector_input: DetectorInput, *, capacity: int, waits: bool = True) -> None:
        """
        Args:
            capacity: pictures that can be out at once.
            waits: `admit` blocks until a buffer is free (files); otherwise it returns None at once (live sources).
        """
        self._detector_input = detector_input
        self._pool = SourcePool[NDArray[np.uint8]](capacity, waits=waits)
        # Kept: it reuses its swscale context while sizes and formats stay; VideoFrame.reformat makes one a call.
        self._reformatter = VideoReformatter()
        self._late_reformatter = VideoReformatter()  # the detector's thread's
        self._letterbox: Letterbox | None = None

    @property
    def frames_dropped(self) -> int:
        """Frames for which no buffer was free."""
        return self._pool.refused

    def admit(self, frame: av.VideoFrame, orientation: Orientation, *, detect: bool = True) -> HostPicture | None:
        """See `Admission.admit`. A frame that is not to be looked at is scaled only if somebody looks after all."""
        width, height = orientation.upright_size(frame.width, frame.height)
        letterbox = self._detector_input.fit(width, height, orientation.upright_pixel_aspect)
        if letterbox != self._letterbox:
            self._replace_buffers(self._detector_input.shape(width, height, orientation.upright_pixel_aspect))
            self._letterbox = letterbox
        lease = self._pool.lease()
        if lease is None:
            return None
        try:
            encoding = Encoding.of(frame)
            paste = functools.partial(self._paste, frame, encoding, orientation, letterbox)
            if detect:
                paste(lease.buffer, self._reformatter)
            late = None if detect else functools.partial(paste, reformatter=self._late_reformatter)
            return HostPicture(frame, orientation=orientation, encoding=encoding, lease=lease, shrink=late)
        except BaseException:
            lease.release()
            raise

    def interrupt(self) -> None:
        """End a wait for a buffer; any thread may call it. See `Admission.interrupt`."""
        self._pool.close()

    def close(self) -> None:
        """Free the idle buffers in host memory. See `Admission.close`."""
        self.interrupt()

    def statistics(self) -> PoolStatistics:
        """Of the pool in use; before the first frame, of an empty one."""
        return self._pool.statistics()

    def _replace_buffers(self, shape: tuple[int, int]) -> None:
        """Buffers for inputs of this (height, width). The border is filled here, once: frames only write inside it."""
        value = self._detector_input.pad_value
        self._pool.replace(BufferPool(self._pool.capacity, lambda: np.full((*shape, 3), value, np.uint8)))

    def _paste(
        self,
        frame: av.VideoFrame,
        encoding: Encoding,
        orientation: Orientation,
        letterbox: Letterbox,
        buffer: NDArray[np.uint8],
        reformatter: VideoReformatter,
    ) -> None:
        size = orientation.upright_size(letterbox.content_width, letterbox.content_height)
        small = _shrink(reformatter, frame, encoding, size)
        top, left = letterbox.offset_y, letterbox.offset_x
        content = buffer[top : top + letterbox.content_height, left : left + letterbox.content_width]
        if orientation.rotation_degrees:
            cv2.rotate(small, TURNS[orientation.rotation_degrees], dst=content)
        else:
            np.copyto(content, small)


def _shrink(
    reformatter: VideoReformatter, frame: av.VideoFrame, encoding: Encoding, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The coded frame as uint8 BGR of size (width, height)."""
    yuv = yuv_samples(frame) if frame.interlaced_frame else None
    if yuv is None:
        # AREA: YuNet finds as many faces as with BILINEAR at two thirds of the time, and 4K does not alias.
        return packed_bgr(reformatter, frame, encoding, size, Interpolation.AREA)
    planes = yuv_planes(frame, yuv, encoding)
    small = np.empty((size[1], size[0], 3), np.uint8)
    fields = [cv2.resize(plane.samples, size, interpolation=cv2.INTER_AREA) for plane in planes]
    merge_to_bgr(fields, yuv, encoding, small)
    return small
