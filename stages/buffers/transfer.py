"""The two ways across the bus: small records to the card, results back. Both through page-locked memory of their own.

Nothing is allocated after construction. `Uploads` takes its slots in turn and waits only if the card is that many
uploads behind; `Readback` waits for the copy, and thereby for everything queued before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray, PinnedArray
from stages.buffers.stream import HOST_EVENT, Event, Stream

__all__ = ["Readback", "Uploads", "readback_bytes"]

SLOTS = 4
ALIGNMENT = 16  # bytes; the strictest that a CUDA type asks for (float4)


class Uploads:
    """Sends arrays to the card through page-locked memory of fixed size in bytes. For one thread and one stream."""

    def __init__(self, device: CudaDevice, nbytes: int) -> None:
        """
        Args:
            nbytes: most that one `send` takes, each array rounded up to 16 bytes.
        """
        self._device = device
        self._slots: list[_Slot] = []
        self._next = 0
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            for _ in range(SLOTS):
                pinned = device.allocate_pinned((nbytes,))
                try:
                    self._slots.append(_Slot(pinned, device.allocate((nbytes,))))
                except BaseException:
                    device.free_pinned(pinned)
                    raise
            on_failure.pop_all()

    def send(self, *arrays: NDArray[np.generic], stream: CudaStream) -> list[int]:
        """Copy arrays to the card, in one transfer.

        Returns their device addresses, aligned to 16 bytes and valid for work queued before as many more calls as there
        are `SLOTS`.
        """
        slot = self._slots[self._next]
        self._next = (self._next + 1) % SLOTS
        # The copy that read this slot last may still be queued.
        slot.copied.synchronize()
        addresses: list[int] = []
        end = 0
        for array in arrays:
            addresses.append(slot.array.pointer + end)
            slot.pinned.array[end : end + array.nbytes] = array.reshape(-1).view(np.uint8)
            end += _aligned(array.nbytes)
        stream.upload(slot.pinned, slot.array, end)
        slot.copied = stream.record()
        return addresses

    def close(self) -> None:
        """Wait for the copies and free the memory. Safe to call twice."""
        for slot in self._slots:
            slot.copied.synchronize()
            self._device.free(slot.array)
            self._device.free_pinned(slot.pinned)
        self._slots = []


@dataclass(slots=True)
class _Slot:
    pinned: PinnedArray
    array: DeviceArray
    copied: Event = HOST_EVENT


class Readback:
    """Copies arrays from the card into page-locked memory of fixed size in bytes. For one thread."""

    def __init__(self, device: CudaDevice, nbytes: int) -> None:
        """
        Args:
            nbytes: of the arrays that one call reads, each rounded up to 16 bytes.
        """
        self._device = device
        self._pinned: PinnedArray | None = device.allocate_pinned((nbytes,))

    def __call__(self, tensor: DeviceArray, *, stream: Stream) -> NDArray[np.generic]:
        """The array as it is after everything queued on `stream` so far; valid until the next call."""
        (array,) = self.several([tensor], stream=stream)
        return array

    def several(self, tensors: Sequence[DeviceArray], *, stream: Stream) -> list[NDArray[np.generic]]:
        """Return the arrays in host memory, after one wait; valid until the next call. Raises ValueError if closed."""
        pinned = self._pinned
        if pinned is None:
            raise ValueError("this readback was closed")
        stream = CudaStream.of(stream)
        arrays: list[NDArray[np.generic]] = []
        start = 0
        for tensor in tensors:
            part = pinned.array[start : start + tensor.nbytes]
            stream.download(tensor, PinnedArray(pinned.pointer + start, part))
            arrays.append(part.view(tensor.dtype).reshape(tensor.shape))
            start += readback_bytes(tensor.nbytes)
        stream.record().synchronize()
        return arrays

    def close(self) -> None:
        """Free the page-locked memory. Safe to call twice."""
        pinned, self._pinned = self._pinned, None
        if pinned is not None:
            self._device.free_pinned(pinned)


def readback_bytes(nbytes: int) -> int:
    """Return the bytes that an array of `nbytes` takes in a `Readback`, padding included."""
    return _aligned(nbytes)


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
