"""What the two ways across the bus hold, without a card: the device only counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stages.buffers.device import DeviceArray, PinnedArray
from stages.buffers.transfer import SLOTS, Uploads
from stages.errors import BackendError


class Card:
    """Has device memory for so many arrays."""

    def __init__(self, room: int) -> None:
        self.held: set[tuple[str, int]] = set()
        self._room = room
        self._made = 0

    def allocate_pinned(self, shape: tuple[int, ...]) -> PinnedArray:
        return PinnedArray(self._hold("pinned"), np.zeros(shape, np.uint8))

    def free_pinned(self, pinned: PinnedArray) -> None:
        self.held.remove(("pinned", pinned.pointer))

    def allocate(self, shape: tuple[int, ...]) -> DeviceArray:
        if not self._room:
            raise BackendError("the GPU is out of memory")
        self._room -= 1
        return DeviceArray(self._hold("device"), shape, np.dtype(np.uint8))

    def free(self, array: DeviceArray) -> None:
        self.held.remove(("device", array.pointer))

    def _hold(self, kind: str) -> int:
        self._made += 1
        self.held.add((kind, self._made))
        return self._made


def test_uploads_hold_nothing_when_they_are_closed() -> None:
    card: Any = Card(room=SLOTS)
    uploads = Uploads(card, 16)
    assert len(card.held) == 2 * SLOTS
    uploads.close()
    uploads.close()
    assert not card.held


@pytest.mark.parametrize("room", range(SLOTS))
def test_uploads_for_which_a_card_has_no_room_leave_nothing_there(room: int) -> None:
    card: Any = Card(room)
    with pytest.raises(BackendError):
        Uploads(card, 16)
    assert not card.held
