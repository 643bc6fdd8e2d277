"""A host's head for outputs on a card: brings them back whole, then decodes there.

For families that have no kernel. Tens of megabytes a batch may cross the bus, so it is the slow way; the page-locked
memory grows to the largest batch and then stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from stages.backends.base import HostTensor
from stages.buffers import Stream
from stages.buffers.cuda import CudaDevice
from stages.buffers.device import DeviceArray
from stages.buffers.transfer import Readback, readback_bytes
from stages.detect.heads.base import Head
from stages.frames import Faces
from stages.imaging.letterbox import Letterbox

__all__ = ["ReadbackHead"]


class ReadbackHead:
    """Implements `Head` for device arrays with a head for host arrays. Owns its page-locked memory."""

    def __init__(self, device: CudaDevice, head: Head[HostTensor]) -> None:
        self._device = device
        self._head = head
        self._readback: Readback | None = None
        self._room = 0

    def decode(
        self,
        outputs: Mapping[str, DeviceArray],
        letterboxes: Sequence[Letterbox],
        shape: tuple[int, int],
        *,
        stream: Stream,
    ) -> list[Faces]:
        """See `Head.decode`."""
        arrays = self._reader(outputs).several(list(outputs.values()), stream=stream)
        return self._head.decode(dict(zip(outputs, arrays, strict=True)), letterboxes, shape, stream=stream)

    def close(self) -> None:
        """Release the page-locked memory. Idempotent."""
        readback, self._readback = self._readback, None
        self._room = 0
        if readback is not None:
            readback.close()

    def _reader(self, outputs: Mapping[str, DeviceArray]) -> Readback:
        needed = sum(readback_bytes(math.prod(array.shape) * array.dtype.itemsize) for array in outputs.values())
        if self._readback is None or needed > self._room:
            self.close()
            self._readback, self._room = Readback(self._device, needed), needed
        return self._readback
