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
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from stages.buffers import HOST_EVENT, BufferPool, Event, PoolStatistics
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import PlaneCopy
from stages.buffers.device import DeviceArray, PinnedArray
from stages.buffers.slab import Slab
from stages.buffers.source_pool import SourcePool
from stages.imaging.colour import NV12, P010, Encoding, YuvSamples
from stages.imaging.nvdec_surface import chroma_row, surface_samples
from stages.imaging.orientation import Orientation
from stages.imaging.planes import yuv_samples
from stages.imaging.surface import DevicePicture, SurfaceLayout

__all__ = ["DeviceAdmission", "interleave"]

# Rows begin where the card reads them in full bursts.
PITCH_ALIGNMENT = 256

FEWEST_PICTURES = 8
"""Capacity that a source keeps however large its pictures are: fewer would leave the stages no batch."""

MOST_LAYOUTS = 64
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
        self._layouts: dict[Hashable, SurfaceLayout] = {}
        self._copies: dict[Hashable, tuple[PlaneCopy, ...]] = {}
        self.frames_copied = 0
        self.frames_uploaded = 0

    @property
    def frames_dropped(self) -> int:
        """Frames for which no buffer was free."""
        return self._pool.refused

    def admit(self, frame: av.VideoFrame, orientation: Orientation, *, look: bool = True) -> DevicePicture | None:
        """See `Admission.admit`. `look` changes nothing: the detector's input is made on the detector's stream."""
        if not self._is_current:
            self._device.make_current()
            self._is_current = True
        planes = frame.planes
        is_surface = frame.format.name == "cuda" and len(planes) == 2  # noqa: PLR2004 - as all 4:2:0 has
        samples = surface_samples(planes[0]) if is_surface else _uploaded_samples(frame)
        layout = self._layout(frame, samples, orientation, chroma_row(planes) if is_surface else 0)
        if layout.nbytes > self._buffer_bytes:
            self._replace_buffers(layout.nbytes)
        # This thread waits for the last reader, who is long done as a rule; the legacy stream is every decoder's.
        lease = self._pool.lease()
        if lease is None:
            return None
        try:
            if is_surface:
                self._copy(frame, planes, layout, lease.buffer)
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
        """See `Admission.interrupt`."""
        self._device.make_current()  # this may be any thread's first call
        self._pool.close()

    def close(self) -> None:
        """See `Admission.close`."""
        self.interrupt()
        self._uploaded.synchronize()
        if self._staging is not None:
            self._device.free_pinned(self._staging)
            self._staging = None

    def statistics(self) -> PoolStatistics:
        """Of the pool in use; before the first frame, of an empty one."""
        return self._pool.statistics()

    def _replace_buffers(self, nbytes: int) -> None:
        """Buffers for pictures of up to so many bytes."""
        capacity = self._pool.capacity
        if self._most_bytes is not None:
            capacity = min(capacity, max(FEWEST_PICTURES, self._most_bytes // nbytes))
        slab = Slab(self._device, capacity, nbytes)
        self._pool.replace(BufferPool(capacity, slab.take, free=slab.give_back))
        self._buffer_bytes = nbytes

    def _layout(
        self, frame: av.VideoFrame, samples: YuvSamples, orientation: Orientation, chroma_at: int
    ) -> SurfaceLayout:
        """One object for all pictures that lie alike."""
        encoding = Encoding.of(frame)
        key = (frame.width, frame.height, samples.bits, encoding, orientation, chroma_at)
        layout = self._layouts.get(key)
        if layout is None:
            pitch = -(-frame.width * samples.dtype.itemsize // PITCH_ALIGNMENT) * PITCH_ALIGNMENT
            layout = SurfaceLayout(frame.width, frame.height, pitch, samples, encoding, orientation, chroma_at)
            if len(self._layouts) == MOST_LAYOUTS:
                self._layouts.clear()
                self._copies.clear()
            self._layouts[key] = layout
        return layout

    def _copy(
        self, frame: av.VideoFrame, planes: tuple[VideoPlane, ...], layout: SurfaceLayout, target: DeviceArray
    ) -> None:
        luma, chroma = planes
        source, start = luma.buffer_ptr, target.pointer
        if frame.interlaced_frame:
            self._copy_first_field(luma, layout, start, layout.height)
            self._copy_first_field(chroma, layout, start + layout.chroma_offset, layout.chroma_rows)
        elif layout.chroma_row:
            (whole,) = self._planned(layout, (luma.line_size, layout.chroma_row + layout.chroma_rows))
            self._stream.copy_plane(whole.aim(source, start))
        else:
            first, second = self._planned(
                layout, (luma.line_size, layout.height), (chroma.line_size, layout.chroma_rows)
            )
            self._stream.copy_plane(first.aim(source, start))
            self._stream.copy_plane(second.aim(chroma.buffer_ptr, start + layout.chroma_offset))

    def _planned(self, layout: SurfaceLayout, *planes: tuple[int, int]) -> tuple[PlaneCopy, ...]:
        """Copies of planes, each (pitch, rows), into this layout; described once."""
        copies = self._copies.get((layout, planes))
        if copies is None:
            copies = tuple(
                PlaneCopy(pitch, layout.pitch, row_bytes=layout.row_bytes, rows=rows) for pitch, rows in planes
            )
            self._copies[layout, planes] = copies
        return copies

    def _copy_first_field(self, plane: VideoPlane, layout: SurfaceLayout, start: int, rows: int) -> None:
        """The first field alone, each of its rows twice: two moments in one picture would be combed."""
        for line in (0, 1):
            copy = PlaneCopy(
                2 * plane.line_size, 2 * layout.pitch, row_bytes=layout.row_bytes, rows=(rows + 1 - line) // 2
            )
            self._stream.copy_plane(copy.aim(plane.buffer_ptr, start + line * layout.pitch))

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


def interleave(
    frame: av.VideoFrame, layout: SurfaceLayout, target: NDArray[np.uint8], reformatter: VideoReformatter
) -> None:
    """Write a frame of host memory, whatever its format, as NV12 or P010.

    swscale only makes it 4:2:0 where it is not; interleaving with it loses the last column of odd widths.

    Args:
        target: uint8 (layout.nbytes or more,); what lies between rows is left as it is.
    """
    encoding, samples = layout.encoding, layout.samples
    stored = yuv_samples(frame)
    if stored is None or stored.bits != samples.bits:
        # Range and matrix stay as they are: the kernels read them from the layout.
        frame = reformatter.reformat(
            frame,
            format="yuv420p" if samples == NV12 else "yuv420p10le",
            src_colorspace=encoding.matrix,
            dst_colorspace=encoding.matrix,
            src_color_range=encoding.range,
            dst_color_range=encoding.range,
            threads=1,
        )
        stored = YuvSamples(bits=samples.bits, shift=0, is_semi_planar=False)
    rows = target[: layout.nbytes].view(samples.dtype).reshape(layout.height + layout.chroma_rows, -1)
    luma, *chroma = (_rows(plane, samples.dtype, step=2 if frame.interlaced_frame else 1) for plane in frame.planes)
    shift = samples.shift - stored.shift
    _place(luma, rows[: layout.height, : layout.width], shift)
    pairs = rows[layout.height :, : layout.width + layout.width % 2]
    for position, plane in enumerate(chroma):
        _place(plane, pairs if stored.is_semi_planar else pairs[:, position::2], shift)


def _rows(plane: VideoPlane, dtype: np.dtype[np.uint8] | np.dtype[np.uint16], *, step: int) -> NDArray[np.uint8]:
    """(rows, samples with padding) of a plane; of every `step` rows the first, in the place of all."""
    rows: NDArray[np.uint8] = np.frombuffer(plane, dtype).reshape(plane.height, -1)  # type: ignore[call-overload]
    return np.repeat(rows[::step], step, axis=0)[: len(rows)] if step > 1 else rows


def _place(source: NDArray[np.uint8], target: NDArray[np.uint8], shift: int) -> None:
    height, width = target.shape
    np.left_shift(source[:height, :width], shift, out=target)


def _uploaded_samples(frame: av.VideoFrame) -> YuvSamples:
    """P010 for more than 8 bits a sample, or where that is not known (4:4:4 surfaces); else NV12."""
    return P010 if max((component.bits for component in frame.format.components), default=16) > 8 else NV12  # noqa: PLR2004
