"""Views of device memory: what they cover, and how much lies behind them."""

from __future__ import annotations

import numpy as np
import pytest

from stages.buffers.device import DeviceArray

WHOLE = DeviceArray(0x1000, (8, 4, 3), np.dtype(np.float32))


def test_a_view_covers_what_it_says_and_knows_the_room_behind_it() -> None:
    part = WHOLE.view((2, 4, 3), offset=48)
    assert (part.pointer, part.nbytes, part.room) == (0x1000 + 48, 96, 384 - 48)
    again = part.view((1, 4, 3), offset=48)
    assert (again.pointer, again.room) == (0x1000 + 96, 384 - 96)
    assert WHOLE.view((384,), np.dtype(np.uint8)).room == WHOLE.nbytes


@pytest.mark.parametrize(("shape", "offset"), [((9, 4, 3), 0), ((8, 4, 3), 48), ((1,), -4)])
def test_a_view_does_not_reach_out(shape: tuple[int, ...], offset: int) -> None:
    with pytest.raises(ValueError, match="reach out"):
        WHOLE.view(shape, offset=offset)
