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

import numpy as np
from numpy.typing import DTypeLike

from stages.buffers.cuda_calls import CUDAError, check, fail
from stages.buffers.cuda_stream import CudaStream, StreamTail
from stages.buffers.device import DeviceArray, PinnedArray
from stages.errors import BackendError, BackendUnavailable

# isort: split
# After our modules, which say in one line what is missing where these are.
from cuda import core
from cuda.bindings import driver

__all__ = ["CudaDevice", "DeviceStatistics"]


class CudaDevice:
    """A CUDA device, by its number. For any thread that has called `make_current`; methods raise BackendError."""

    def __init__(self, ordinal: int = 0) -> None:
        """Take the card's primary context, the one that FFmpeg and TensorRT share.

        Raises:
            BackendUnavailable: no driver, or no such card.
        """
        try:
            check(driver.cuInit(0), "starting CUDA")
            count: int = check(driver.cuDeviceGetCount(), "counting GPUs")
        except (RuntimeError, BackendError) as exc:
            raise BackendUnavailable(f"no usable NVIDIA driver ({exc}); install one, or choose --device cpu") from exc
        if not 0 <= ordinal < count:
            raise BackendUnavailable(f"there is no cuda:{ordinal}; this machine has {count} GPU(s)")
        # Before anything else touches the card: FFmpeg refuses a primary context that does not sleep while it waits.
        handle = check(driver.cuDeviceGet(ordinal), "opening the GPU")
        flags = driver.CUctx_flags.CU_CTX_SCHED_BLOCKING_SYNC
        check(driver.cuDevicePrimaryCtxSetFlags(handle, flags), "configuring the GPU")
        self._ordinal = ordinal
        self._lock = threading.Lock()
        self._sizes: dict[int, int] = {}
        self._allocations = 0
        self._frees = 0
        self._bytes_to_device = 0
        self._bytes_to_host = 0
        self.make_current()
        self._core = core.Device(ordinal)
        self._decoders = StreamTail(CudaStream(self, core.LEGACY_DEFAULT_STREAM))

    def __repr__(self) -> str:
        return f"<CudaDevice {self._ordinal}, {self.name}, {self.arch}>"

    @property
    def ordinal(self) -> int:
        """The number of the device: N in `cuda:N`."""
        return self._ordinal

    @property
    def name(self) -> str:
        """The vendor's name of the device."""
        return str(self._core.name)

    @property
    def arch(self) -> str:
        """Compute capability as compilers write it, for example "sm_90"."""
        return f"sm_{self._core.arch}"

    def make_current(self) -> None:
        """Make the device current on the calling thread; once per thread is enough. Raises BackendUnavailable."""
        try:
            core.Device(self._ordinal).set_current()
        except CUDAError as exc:
            raise BackendUnavailable(f"cuda:{self._ordinal} can't be used: {exc}") from exc

    def memory_bytes(self) -> tuple[int, int]:
        """(used, total) bytes of device memory, all processes counted. From any thread."""
        self.make_current()
        free, total = check(driver.cuMemGetInfo(), "asking for the GPU's memory")
        return int(total) - int(free), int(total)

    @property
    def decoders(self) -> StreamTail:
        """All work of FFmpeg's decoders, and of who copies from them, so far: they share the legacy default stream."""
        return self._decoders

    def create_stream(self) -> CudaStream:
        """Return a stream that does not wait for the legacy default stream. Raises BackendError."""
        try:
            return CudaStream(self, self._core.create_stream(options=core.StreamOptions(nonblocking=True)))
        except CUDAError as exc:
            fail(exc, "creating a stream")

    def preload(self, kernel: core.Kernel) -> None:
        """Load a kernel's code now; its first launch would wait for all work of the device. Raises BackendError."""
        function = check(driver.cuKernelGetFunction(kernel.handle), "loading a kernel")
        check(driver.cuFuncLoad(function), "loading a kernel")

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> DeviceArray:
        """Device memory, not initialised, aligned to 256 bytes. The caller passes it to `free`."""
        dtype = np.dtype(dtype)
        size = max(1, math.prod(shape) * dtype.itemsize)
        pointer = int(check(driver.cuMemAlloc(size), f"allocating {size / 2**20:.0f} MiB of GPU memory"))
        with self._lock:
            self._allocations += 1
            self._sizes[pointer] = size
        return DeviceArray(pointer, shape, dtype)

    def free(self, array: DeviceArray) -> None:
        """Free what `allocate` returned. Waits for all work of the device. Raises BackendError."""
        with self._lock:
            self._frees += 1
            del self._sizes[array.pointer]
        check(driver.cuMemFree(array.pointer), "freeing GPU memory")

    def allocate_pinned(self, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> PinnedArray:
        """Return page-locked host memory, zeroed, for asynchronous copies and `free_pinned`. Raises BackendError."""
        dtype = np.dtype(dtype)
        size = max(1, math.prod(shape) * dtype.itemsize)
        flags = driver.CU_MEMHOSTALLOC_PORTABLE
        pointer = int(check(driver.cuMemHostAlloc(size, flags), f"page-locking {size} bytes of host memory"))
        with self._lock:
            self._allocations += 1
        raw = (ctypes.c_uint8 * size).from_address(pointer)
        ctypes.memset(raw, 0, size)
        array = np.frombuffer(memoryview(raw), dtype, count=math.prod(shape)).reshape(shape)
        return PinnedArray(pointer, array)

    def free_pinned(self, pinned: PinnedArray) -> None:
        """Free what `allocate_pinned` returned; its array must not be used afterwards. Raises BackendError."""
        with self._lock:
            self._frees += 1
        check(driver.cuMemFreeHost(pinned.pointer), "freeing page-locked memory")

    def statistics(self) -> DeviceStatistics:
        """Return the counters of this moment, sizes in bytes. Any thread may ask."""
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


@dataclass(frozen=True, slots=True)
class DeviceStatistics:
    """Allocations and bytes copied by this process since its `CudaDevice` was made.

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
