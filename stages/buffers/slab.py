"""Several equal buffers in one allocation, because the driver waits for the whole card at every free.

The memory goes back when the last buffer has been given back, on whichever thread that happens.
"""

from __future__ import annotations

import threading

from stages.buffers.cuda import CudaDevice
from stages.buffers.device import DeviceArray

__all__ = ["Slab"]


class Slab:
    """`count` buffers of `nbytes` bytes each, for a pool: `BufferPool(count, slab.take, free=slab.give_back)`."""

    def __init__(self, device: CudaDevice, count: int, nbytes: int) -> None:
        self._device = device
        self._nbytes = nbytes
        self._memory = device.allocate((count * nbytes,))
        self._lock = threading.Lock()
        self._taken = 0
        self._out = count

    def take(self) -> DeviceArray:
        """Return the next buffer, uint8 (nbytes,); to be called `count` times."""
        with self._lock:
            offset = self._taken * self._nbytes
            self._taken += 1
        return self._memory.view((self._nbytes,), offset=offset)

    def give_back(self, buffer: DeviceArray) -> None:
        """Take back a buffer that is no longer used; the last one frees the memory. Raises BackendError."""
        with self._lock:
            self._out -= 1
            is_last = not self._out
        if is_last:
            self._device.make_current()
            self._device.free(self._memory)
