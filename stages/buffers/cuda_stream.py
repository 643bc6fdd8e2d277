"""Streams and events of one card: work is queued, ordered by events, and nothing waits for the whole card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cuda import core
from cuda.bindings import driver

from stages.buffers.cuda_calls import CUDAError, check, fail
from stages.buffers.device import DeviceArray, PinnedArray
from stages.buffers.stream import Event, Stream

if TYPE_CHECKING:
    from stages.buffers.cuda import CudaDevice

__all__ = ["CudaEvent", "CudaStream", "StreamTail"]


class CudaStream:
    """Implements `Stream` on one card, for one thread at a time. Copies are asynchronous, and their bytes counted."""

    _EVENT = core.EventOptions(blocking_sync=True)
    _TIMED_EVENT = core.EventOptions(blocking_sync=True, timing_enabled=True)

    def __init__(self, device: CudaDevice, stream: core.Stream) -> None:
        self.device = device
        self._core = stream
        self._handle = int(stream.handle)

    def __repr__(self) -> str:
        return f"<CudaStream {self._handle:#x} of cuda:{self.device.ordinal}>"

    @classmethod
    def of(cls, stream: Stream) -> CudaStream:
        """The stream, if it is a card's. Raises TypeError for the host's."""
        if not isinstance(stream, cls):
            raise TypeError(f"work on a GPU is queued on a CudaStream, not on a {type(stream).__name__}")
        return stream

    @property
    def handle(self) -> int:
        """The raw CUstream handle, for other libraries."""
        return self._handle

    def record(self, *, timed: bool = False) -> CudaEvent:
        """See `Stream.record`. `timed`: for `CudaEvent.milliseconds_since`."""
        try:
            return CudaEvent(self._core.record(options=self._TIMED_EVENT if timed else self._EVENT))
        except CUDAError as exc:
            fail(exc, "recording an event")

    def wait(self, event: Event) -> None:
        """Order later work after `event` on the card; a host event blocks the caller. Raises BackendError."""
        if isinstance(event, StreamTail):
            if event.stream.handle == self._handle:
                return
            event = event.stream.record()
        if not isinstance(event, CudaEvent):
            event.synchronize()
            return
        try:
            self._core.wait(event._core)
        except CUDAError as exc:
            fail(exc, "ordering streams")

    def synchronize(self) -> None:
        """Block until everything queued has finished. Raises BackendError."""
        try:
            self._core.sync()
        except CUDAError as exc:
            fail(exc, "waiting for the GPU")

    def close(self) -> None:
        """Destroy the stream; queued work still finishes."""
        self._core.close()

    def launch(
        self, kernel: core.Kernel, grid: tuple[int, int, int], block: tuple[int, int, int], *arguments: object
    ) -> None:
        """Queue a kernel; arguments are int for pointers and numpy scalars otherwise. Raises BackendError."""
        try:
            core.launch(self._core, core.LaunchConfig(grid=grid, block=block), kernel, *arguments)
        except CUDAError as exc:
            fail(exc, "launching a kernel")

    def upload(self, source: PinnedArray, target: DeviceArray, size: int | None = None) -> None:
        """Copy page-locked memory to the card; `size` bytes from the start, by default all of `source`.

        The source must not change until the copy has passed.
        """
        size = source.array.nbytes if size is None else size
        _fits(size, source.array.nbytes, target.nbytes)
        check(driver.cuMemcpyHtoDAsync(target.pointer, source.pointer, size, self._handle), "copying to the GPU")
        self.device._count(to_device=size)

    def download(self, source: DeviceArray, target: PinnedArray, size: int | None = None) -> None:
        """Copy device memory to page-locked memory, readable once the stream has passed. Raises BackendError."""
        size = source.nbytes if size is None else size
        _fits(size, source.nbytes, target.array.nbytes)
        check(driver.cuMemcpyDtoHAsync(target.pointer, source.pointer, size, self._handle), "copying from the GPU")
        self.device._count(to_host=size)

    def fill(self, array: DeviceArray, byte: int) -> None:
        """Set every byte of a device array to this value, 0 to 255. Raises BackendError."""
        check(driver.cuMemsetD8Async(array.pointer, byte, array.nbytes, self._handle), "filling GPU memory")

    def copy(self, source: int, target: int, nbytes: int) -> None:
        """Copy bytes inside the card, from one device address to another. Raises BackendError."""
        check(driver.cuMemcpyDtoDAsync(target, source, nbytes, self._handle), "copying a picture")

    def copy_rows(
        self, source: int, target: int, *, source_pitch: int, target_pitch: int, row_bytes: int, rows: int
    ) -> None:
        """Copy rows of a picture inside the card; pitches are in bytes, addresses those of the first rows."""
        copy = driver.CUDA_MEMCPY2D()
        copy.srcMemoryType = copy.dstMemoryType = driver.CUmemorytype.CU_MEMORYTYPE_DEVICE
        copy.srcDevice, copy.srcPitch = source, source_pitch
        copy.dstDevice, copy.dstPitch = target, target_pitch
        copy.WidthInBytes, copy.Height = row_bytes, rows
        check(driver.cuMemcpy2DAsync(copy, self._handle), "copying a picture")


class CudaEvent:
    """Implements `Event`: a point in a CUDA stream's work. Any thread may ask for it or wait for it."""

    __slots__ = ("_core", "_was_done")

    def __init__(self, event: core.Event) -> None:
        self._core = event
        self._was_done = False

    @property
    def is_done(self) -> bool:
        # Remembered: a batch's frames share their event, and asking the driver costs more than all else here.
        """Whether the work before the event has finished; remembered once it has. Raises BackendError."""
        if not self._was_done:
            try:
                self._was_done = bool(self._core.is_done)
            except CUDAError as exc:
                fail(exc, "asking for an event")
        return self._was_done

    def synchronize(self) -> None:
        """Block until the work before the event has finished. Raises BackendError."""
        if self._was_done:
            return
        try:
            self._core.sync()
        except CUDAError as exc:
            fail(exc, "waiting for the GPU")
        self._was_done = True

    def milliseconds_since(self, earlier: CudaEvent) -> float:
        """Return the milliseconds on the card between two events recorded with `timed=True`, both done."""
        return float(self._core - earlier._core)


class StreamTail:
    """Implements `Event`: everything queued on a stream when a thread waits for it; one for all whose work is there.

    Any thread may wait. It waits for later work of the stream too, which is no harm where that work is short.
    """

    __slots__ = ("stream",)

    def __init__(self, stream: CudaStream) -> None:
        self.stream = stream

    @property
    def is_done(self) -> bool:
        """Whether everything queued on the stream by now has finished. Raises BackendError."""
        return self.stream.record().is_done

    def synchronize(self) -> None:
        """Block until everything queued on the stream by now has finished. Raises BackendError."""
        self.stream.record().synchronize()


def _fits(size: int, *capacities: int) -> None:
    if size > min(capacities):
        raise ValueError(f"{size} bytes don't fit: the two ends hold {capacities} bytes")
