"""One NVIDIA card: its memory, streams and events, and a count of what crossed the bus.

Nothing here waits for the whole card except `CudaDevice.free`, which the driver makes wait; `statistics` counts those
calls, so that a test can show that a pipeline in its steady state neither allocates nor stops the card. When the card
is out of memory or its context is lost, calls raise BackendError with one line that says what to do.

Importing this module needs CUDA for Python and raises BackendUnavailable where that is missing.
"""

from __future__ import annotations

import ctypes
import math
import threading
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from stages.buffers.device import DeviceArray, PinnedArray
from stages.buffers.stream import Event, Stream
from stages.errors import BackendError, BackendUnavailable

try:
    from cuda import core
    from cuda.bindings import driver

    # cuda.core exports its one exception nowhere else.
    from cuda.core._utils.cuda_utils import CUDAError
except ImportError as missing:
    raise BackendUnavailable("CUDA for Python is not installed: pip install 'visage[tensorrt]'") from missing

__all__ = ["CUDAError", "CudaDevice", "CudaEvent", "CudaStream", "DeviceStatistics"]


@dataclass(frozen=True, slots=True)
class DeviceStatistics:
    """What this process did with a card, since its `CudaDevice` was made.

    Attributes:
        allocations: calls that allocated device or page-locked memory.
        frees: calls that freed it; each waits for the whole card.
        bytes_allocated: device memory held now.
        bytes_to_device, bytes_to_host: copied over the bus by `CudaStream`.
    """

    allocations: int
    frees: int
    bytes_allocated: int
    bytes_to_device: int
    bytes_to_host: int


class CudaDevice:
    """A card, by its number. Used by any thread that has called `make_current`; the maker's thread has."""

    def __init__(self, ordinal: int = 0) -> None:
        """Take the card's primary context, the one that FFmpeg and TensorRT share.

        Raises:
            BackendUnavailable: no driver, or no such card.
        """
        try:
            _check(driver.cuInit(0), "starting CUDA")
            count: int = _check(driver.cuDeviceGetCount(), "counting GPUs")
        except (RuntimeError, BackendError) as exc:
            raise BackendUnavailable(f"no usable NVIDIA driver ({exc}); install one, or choose --device cpu") from exc
        if not 0 <= ordinal < count:
            raise BackendUnavailable(f"there is no cuda:{ordinal}; this machine has {count} GPU(s)")
        # Before anything else touches the card: FFmpeg refuses a primary context that does not sleep while it waits.
        handle = _check(driver.cuDeviceGet(ordinal), "opening the GPU")
        flags = driver.CUctx_flags.CU_CTX_SCHED_BLOCKING_SYNC
        _check(driver.cuDevicePrimaryCtxSetFlags(handle, flags), "configuring the GPU")
        self._ordinal = ordinal
        self._lock = threading.Lock()
        self._sizes: dict[int, int] = {}
        self._allocations = 0
        self._frees = 0
        self._bytes_to_device = 0
        self._bytes_to_host = 0
        self.make_current()
        self._core = core.Device(ordinal)

    def __repr__(self) -> str:
        return f"<CudaDevice {self._ordinal}, {self.name}, {self.arch}>"

    @property
    def ordinal(self) -> int:
        """Its number; N in `cuda:N`."""
        return self._ordinal

    @property
    def name(self) -> str:
        """The vendor's name for it."""
        return str(self._core.name)

    @property
    def arch(self) -> str:
        """Compute capability as compilers write it, for example "sm_90"."""
        return f"sm_{self._core.arch}"

    def make_current(self) -> None:
        """Let the calling thread use the card. Cheap; once a thread is enough."""
        try:
            core.Device(self._ordinal).set_current()
        except CUDAError as exc:
            raise BackendUnavailable(f"cuda:{self._ordinal} can't be used: {exc}") from exc

    def create_stream(self) -> CudaStream:
        """A stream that does not wait for the legacy default stream."""
        try:
            return CudaStream(self, self._core.create_stream(options=core.StreamOptions(nonblocking=True)))
        except CUDAError as exc:
            _raise(exc, "creating a stream")

    def preload(self, kernel: core.Kernel) -> None:
        """Load a kernel's code now. Left to its first launch, loading would wait for all work of the card."""
        function = _check(driver.cuKernelGetFunction(kernel.handle), "loading a kernel")
        _check(driver.cuFuncLoad(function), "loading a kernel")

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> DeviceArray:
        """Device memory, not initialised, aligned to 256 bytes. The caller passes it to `free`."""
        dtype = np.dtype(dtype)
        size = max(1, math.prod(shape) * dtype.itemsize)
        pointer = int(_check(driver.cuMemAlloc(size), f"allocating {size / 2**20:.0f} MiB of GPU memory"))
        with self._lock:
            self._allocations += 1
            self._sizes[pointer] = size
        return DeviceArray(pointer, shape, dtype)

    def free(self, array: DeviceArray) -> None:
        """Give back what `allocate` returned. Waits for all work of the card, so it is for the end."""
        with self._lock:
            self._frees += 1
            del self._sizes[array.pointer]
        _check(driver.cuMemFree(array.pointer), "freeing GPU memory")

    def allocate_pinned(self, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> PinnedArray:
        """Page-locked host memory, zeroed; the only host memory that copies asynchronously. For `free_pinned`."""
        dtype = np.dtype(dtype)
        size = max(1, math.prod(shape) * dtype.itemsize)
        flags = driver.CU_MEMHOSTALLOC_PORTABLE
        pointer = int(_check(driver.cuMemHostAlloc(size, flags), f"page-locking {size} bytes of host memory"))
        with self._lock:
            self._allocations += 1
        raw = (ctypes.c_uint8 * size).from_address(pointer)
        ctypes.memset(raw, 0, size)
        array = np.frombuffer(memoryview(raw), dtype, count=math.prod(shape)).reshape(shape)
        return PinnedArray(pointer, array)

    def free_pinned(self, pinned: PinnedArray) -> None:
        """Give back what `allocate_pinned` returned; its array must not be read or written afterwards."""
        with self._lock:
            self._frees += 1
        _check(driver.cuMemFreeHost(pinned.pointer), "freeing page-locked memory")

    def memory(self) -> tuple[int, int]:
        """(free, total) bytes of device memory, all processes counted."""
        free, total = _check(driver.cuMemGetInfo(), "asking for free memory")
        return int(free), int(total)

    def statistics(self) -> DeviceStatistics:
        with self._lock:
            return DeviceStatistics(
                self._allocations,
                self._frees,
                sum(self._sizes.values()),
                self._bytes_to_device,
                self._bytes_to_host,
            )

    def _count(self, *, to_device: int = 0, to_host: int = 0) -> None:
        with self._lock:
            self._bytes_to_device += to_device
            self._bytes_to_host += to_host


class CudaEvent:
    """A point in a CUDA stream's work; any thread may ask for it or wait for it."""

    __slots__ = ("_core",)

    def __init__(self, event: core.Event) -> None:
        self._core = event

    @property
    def is_done(self) -> bool:
        try:
            return bool(self._core.is_done)
        except CUDAError as exc:
            _raise(exc, "asking for an event")

    def synchronize(self) -> None:
        try:
            self._core.sync()
        except CUDAError as exc:
            _raise(exc, "waiting for the GPU")

    def milliseconds_since(self, earlier: CudaEvent) -> float:
        """Time on the card between two events recorded with `timed=True`, both done."""
        return float(self._core - earlier._core)


class CudaStream:
    """A sequence of work on one card, used by one thread at a time. Copies are asynchronous and counted."""

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
        """The raw CUstream, as other libraries want it."""
        return self._handle

    def record(self, *, timed: bool = False) -> CudaEvent:
        try:
            return CudaEvent(self._core.record(options=self._TIMED_EVENT if timed else self._EVENT))
        except CUDAError as exc:
            _raise(exc, "recording an event")

    def wait(self, event: Event) -> None:
        """Order after `event` on the card; an event of the host is waited for here."""
        if not isinstance(event, CudaEvent):
            event.synchronize()
            return
        try:
            self._core.wait(event._core)
        except CUDAError as exc:
            _raise(exc, "ordering streams")

    def synchronize(self) -> None:
        try:
            self._core.sync()
        except CUDAError as exc:
            _raise(exc, "waiting for the GPU")

    def close(self) -> None:
        """Destroy the stream; queued work still finishes."""
        self._core.close()

    def launch(
        self, kernel: core.Kernel, grid: tuple[int, int, int], block: tuple[int, int, int], *arguments: object
    ) -> None:
        """Queue a kernel. Arguments: int for a pointer, numpy scalars for everything else."""
        try:
            core.launch(self._core, core.LaunchConfig(grid=grid, block=block), kernel, *arguments)
        except CUDAError as exc:
            _raise(exc, "launching a kernel")

    def upload(self, source: PinnedArray, target: DeviceArray, size: int | None = None) -> None:
        """Copy page-locked memory to the card; `size` bytes from the start, by default all of `source`.

        The source must not change until the copy has passed.
        """
        size = source.array.nbytes if size is None else size
        _fits(size, source.array.nbytes, target.nbytes)
        _check(driver.cuMemcpyHtoDAsync(target.pointer, source.pointer, size, self._handle), "copying to the GPU")
        self.device._count(to_device=size)

    def download(self, source: DeviceArray, target: PinnedArray, size: int | None = None) -> None:
        """Copy device memory to page-locked memory; readable once the stream has passed this point."""
        size = source.nbytes if size is None else size
        _fits(size, source.nbytes, target.array.nbytes)
        _check(driver.cuMemcpyDtoHAsync(target.pointer, source.pointer, size, self._handle), "copying from the GPU")
        self.device._count(to_host=size)

    def fill(self, array: DeviceArray, byte: int) -> None:
        """Set every byte of an array."""
        _check(driver.cuMemsetD8Async(array.pointer, byte, array.nbytes, self._handle), "filling GPU memory")

    def copy_plane(
        self, source: int, source_pitch: int, target: int, target_pitch: int, *, row_bytes: int, rows: int
    ) -> None:
        """Copy rows of a picture plane inside the card, between pitches. Pointers are device addresses."""
        copy = driver.CUDA_MEMCPY2D()
        copy.srcMemoryType = copy.dstMemoryType = driver.CUmemorytype.CU_MEMORYTYPE_DEVICE
        copy.srcDevice, copy.srcPitch = source, source_pitch
        copy.dstDevice, copy.dstPitch = target, target_pitch
        copy.WidthInBytes, copy.Height = row_bytes, rows
        _check(driver.cuMemcpy2DAsync(copy, self._handle), "copying a picture")


def _fits(size: int, *capacities: int) -> None:
    if size > min(capacities):
        raise ValueError(f"{size} bytes don't fit: the two ends hold {capacities} bytes")


def _check(result: tuple[Any, ...], doing: str) -> Any:
    """The values of a driver call, or the error of one that failed."""
    status, *values = result
    if status != driver.CUresult.CUDA_SUCCESS:
        _raise(RuntimeError(str(getattr(status, "name", status))), doing)
    return values[0] if len(values) == 1 else tuple(values)


# After these the driver fails every call of the process (CUDA Driver API, "CUresult").
_LOST = (
    "ILLEGAL_ADDRESS",
    "LAUNCH_FAILED",
    "LAUNCH_TIMEOUT",
    "ILLEGAL_INSTRUCTION",
    "MISALIGNED_ADDRESS",
    "HARDWARE_STACK_ERROR",
    "ECC_UNCORRECTABLE",
    "CONTEXT_IS_DESTROYED",
)


def _raise(cause: Exception, doing: str) -> NoReturn:
    reason = str(cause)
    if "OUT_OF_MEMORY" in reason:
        raise BackendError(f"{doing}: the GPU is out of memory; use fewer sources or a smaller batch") from cause
    if any(name in reason for name in _LOST):
        raise BackendError(f"{doing}: the GPU's context is lost ({reason}); start the program again") from cause
    raise BackendError(f"{doing}: {reason}") from cause
