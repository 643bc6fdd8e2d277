"""How many buffers a source gets of a card's memory, without a card: real frames and pools; the device only counts."""

from __future__ import annotations

import av
import numpy as np
import pytest

from stages.buffers import HOST_EVENT, Event
from stages.buffers.device import DeviceArray, PinnedArray
from stages.imaging.device.admission import FEWEST_PICTURES, DeviceAdmission
from stages.imaging.orientation import Orientation

CAPACITY = 40
SMALL, LARGE = (64, 32), (256, 128)
SMALL_BYTES, LARGE_BYTES = (256 * height * 3 // 2 for _, height in (SMALL, LARGE))  # NV12, rows of 256 bytes


class Card:
    """What an admission asks of a `CudaDevice`, and of the stream of its decoders."""

    def __init__(self) -> None:
        self.stream = self.decoders = self
        self.held_bytes: dict[int, int] = {}

    def make_current(self) -> None:
        """Every thread may use it."""

    def allocate(self, shape: tuple[int, ...]) -> DeviceArray:
        pointer = 1 << 40 | len(self.held_bytes) << 30
        self.held_bytes[pointer] = shape[0]
        return DeviceArray(pointer, shape, np.dtype(np.uint8))

    def free(self, array: DeviceArray) -> None:
        del self.held_bytes[array.pointer]

    def allocate_pinned(self, shape: tuple[int, ...]) -> PinnedArray:
        return PinnedArray(0, np.zeros(shape, np.uint8))

    def free_pinned(self, pinned: PinnedArray) -> None:
        """Nothing was page-locked."""

    def upload(self, source: PinnedArray, target: DeviceArray, nbytes: int) -> None:
        assert nbytes <= target.nbytes

    def record(self) -> Event:
        return HOST_EVENT


def admit(admission: DeviceAdmission, size: tuple[int, int]) -> None:
    picture = admission.admit(av.VideoFrame(*size, "yuv420p"), Orientation())
    assert picture is not None
    picture.release()


@pytest.mark.parametrize(
    ("most_bytes", "size", "capacity"),
    [
        (None, LARGE, CAPACITY),
        (CAPACITY * SMALL_BYTES, SMALL, CAPACITY),
        (CAPACITY * SMALL_BYTES - 1, SMALL, CAPACITY - 1),
        (20 * LARGE_BYTES, LARGE, 20),
        (1 << 40, LARGE, CAPACITY),
        (LARGE_BYTES, LARGE, FEWEST_PICTURES),
    ],
)
def test_a_source_keeps_to_its_share_of_the_memory_but_has_enough_for_a_batch(
    most_bytes: int | None, size: tuple[int, int], capacity: int
) -> None:
    card = Card()
    admission = DeviceAdmission(card, capacity=CAPACITY, most_bytes=most_bytes)  # type: ignore[arg-type]  # as above
    admit(admission, size)
    assert admission.statistics().capacity == capacity
    assert list(card.held_bytes.values()) == [capacity * (SMALL_BYTES if size == SMALL else LARGE_BYTES)]
    admission.close()
    assert not card.held_bytes


def test_pictures_that_grow_get_fewer_buffers_within_the_same_memory() -> None:
    card, most_bytes = Card(), CAPACITY * SMALL_BYTES
    admission = DeviceAdmission(card, capacity=CAPACITY, most_bytes=most_bytes)  # type: ignore[arg-type]  # as above
    for size, capacity in ((SMALL, CAPACITY), (LARGE, most_bytes // LARGE_BYTES), (SMALL, most_bytes // LARGE_BYTES)):
        admit(admission, size)
        assert admission.statistics().capacity == capacity
        assert sum(card.held_bytes.values()) <= most_bytes
    admission.close()
