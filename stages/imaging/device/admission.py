"""Makes device pictures of decoded frames, on the decode thread.

A surface of NVDEC is copied inside the card into a leased buffer and let go at once, for FFmpeg has few of them and
stops decoding without. A frame that was decoded on the CPU, or that NVDEC left as 4:4:4, goes through page-locked
memory. The pool's capacity bounds the frames that a source can have in flight. Under pressure a file waits for a
buffer; a live source drops the frame and counts it.

Surfaces are copied on the legacy default stream, because FFmpeg maps and unmaps them there: the copy comes after the
map and before the next use of the surface without an event more. Readers wait for all that was queued there until they
begin, once a batch: an event for every frame would cost the interpreter more than the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from stages.buffers import HOST_EVENT, BufferPool, Event, PoolStatistics
from stages.buffers.cuda import CudaDevice
from stages.buffers.device import DeviceArray, PinnedArray
from stages.buffers.slab import Slab
from stages.buffers.source_pool import SourcePool
from stages.imaging.colour import BYTE_BITS, NV12, P010, Encoding, YuvSamples
from stages.imaging.device.interleave import interleave
from stages.imaging.device.nvdec_surface import chroma_row, surface_samples
from stages.imaging.device.picture import DevicePicture, SurfaceLayout
from stages.imaging.device.surface_copies import copy_surface
from stages.imaging.orientation import Orientation

__all__ = ["DeviceAdmission"]

# Rows begin where the card reads them in full bursts.
PITCH_ALIGNMENT = 256

FEWEST_PICTURES = 8
"""Capacity that a source keeps however large its pictures are: fewer would leave the stages no batch."""

MAX_LAYOUTS = 64
"""Remembered a source; a stream that changes its size with every frame must not fill the memory."""


class DeviceAdmission:
    """The GPU pipeline's admission, one a source. Implements `stages.decode.video.Admission`.

    Attributes:
        frames_copied: surfaces that never left the card.
        frames_uploaded: frames that were decoded on the CPU.
    """

    def __init__(
        self,
        device: CudaDevice,
        *,
        capacity: int,
        most_bytes: int | None = None,
        waits: bool = True,
        on_upload: Callable[[str], None] | None = None,
    ) -> None:
        """
        Args:
            capacity: pictures that can be out at once.
            most_bytes: of the card's memory for them. Lowers the capacity for large pictures, not below
                `FEWEST_PICTURES`.
            waits: `admit` blocks until a buffer is free (files); otherwise it returns None at once (live sources).
            on_upload: told once, with the pixel format, if frames have to be decoded on the CPU.
        """
        self._device = device
        self._most_bytes = most_bytes
        self._on_upload = on_upload
        self._stream = device.decoders.stream
        self._reformatter = VideoReformatter()
        self._is_current = False
        self._pool = SourcePool[DeviceArray](capacity, waits=waits)
        self._buffer_bytes = 0
        self._staging: PinnedArray | None = None
        self._uploaded: Event = HOST_EVENT
        self._layouts: dict[Hashable, SurfaceLayout] = {}  # by what FFmpeg says of a frame, as plain numbers
        self.frames_copied = 0
        self.frames_uploaded = 0

    @property
    def frames_dropped(self) -> int:
        """Frames for which no buffer was free."""
        return self._pool.refused

    def admit(self, frame: av.VideoFrame, orientation: Orientation, *, detect: bool = True) -> DevicePicture | None:
        """See `Admission.admit`. `detect` changes nothing: the detector's input is made on the detector's stream."""
        if not self._is_current:
            self._device.make_current()
            self._is_current = True
        planes = frame.planes
        is_surface = frame.format.name == "cuda" and len(planes) == 2  # noqa: PLR2004 - luma and chroma: 4:2:0
        samples = surface_samples(planes[0]) if is_surface else _uploaded_samples(frame)
        chroma_at = chroma_row(planes) if is_surface else 0
        layout = self._layout(frame, samples, orientation, chroma_at, planes[0].line_size if chroma_at else None)
        if layout.nbytes > self._buffer_bytes:
            self._replace_buffers(layout.nbytes)
        # This thread waits for the last reader, who is long done as a rule; the legacy stream is every decoder's.
        lease = self._pool.lease()
        if lease is None:
            return None
        try:
            if is_surface:
                copy_surface(
                    planes,
                    layout,
                    lease.buffer.pointer,
                    is_interlaced=frame.interlaced_frame,
                    stream=self._stream,
                )
                self.frames_copied += 1
            else:
                if self._on_upload is not None and not self.frames_uploaded:
                    self._on_upload(frame.format.name)
                self._upload(frame, layout, lease.buffer)
                self.frames_uploaded += 1
            return DevicePicture(lease, layout, self._device.decoders)
        except BaseException:
            lease.release(after=self._stream.record())
            raise

    def interrupt(self) -> None:
        """End a wait for a buffer; any thread may call it. See `Admission.interrupt`."""
        self._device.make_current()  # this may be any thread's first call
        self._pool.close()

    def close(self) -> None:
        """Free the idle buffers in device memory. See `Admission.close`."""
        self.interrupt()
        self._uploaded.synchronize()
        if self._staging is not None:
            self._device.free_pinned(self._staging)
            self._staging = None

    def statistics(self) -> PoolStatistics:
        """Of the pool in use; before the first frame, of an empty one."""
        return self._pool.statistics()

    def _replace_buffers(self, nbytes: int) -> None:
        """Buffers for pictures of at most `nbytes` bytes."""
        capacity = self._pool.capacity
        if self._most_bytes is not None:
            capacity = min(capacity, max(FEWEST_PICTURES, self._most_bytes // nbytes))
        slab = Slab(self._device, capacity, nbytes)
        self._pool.replace(BufferPool(capacity, slab.take, free=slab.give_back))
        self._buffer_bytes = nbytes

    def _layout(
        self, frame: av.VideoFrame, samples: YuvSamples, orientation: Orientation, chroma_at: int, pitch: int | None
    ) -> SurfaceLayout:
        """One object for all pictures that lie alike. `pitch`: the surface's, if it is to be kept."""
        width, height = frame.width, frame.height
        turn = orientation.rotation_degrees, orientation.pixel_aspect
        tags = frame.format.name, frame.colorspace, frame.color_range, frame.color_trc, frame.color_primaries
        key = (width, height, samples.bits, tags, turn, chroma_at, pitch)
        layout = self._layouts.get(key)
        if layout is None:
            pitch = pitch or -(-width * samples.sample_bytes // PITCH_ALIGNMENT) * PITCH_ALIGNMENT
            layout = SurfaceLayout(width, height, pitch, samples, Encoding.of(frame), orientation, chroma_at)
            if len(self._layouts) == MAX_LAYOUTS:
                self._layouts.clear()
            self._layouts[key] = layout
        return layout

    def _upload(self, frame: av.VideoFrame, layout: SurfaceLayout, target: DeviceArray) -> None:
        if self._staging is None or self._staging.array.nbytes < layout.nbytes:
            staging = self._device.allocate_pinned((layout.nbytes,))
            if self._staging is not None:
                self._uploaded.synchronize()
                self._device.free_pinned(self._staging)
            self._staging = staging
        self._uploaded.synchronize()
        interleave(frame, layout, self._staging.array.view(np.uint8), self._reformatter)
        self._stream.upload(self._staging, target, layout.nbytes)
        self._uploaded = self._stream.record()


def _uploaded_samples(frame: av.VideoFrame) -> YuvSamples:
    """P010 for more than 8 bits a sample, or where that is not known (4:4:4 surfaces); else NV12."""
    bits = max((component.bits for component in frame.format.components), default=P010.bits)
    return P010 if bits > BYTE_BITS else NV12
