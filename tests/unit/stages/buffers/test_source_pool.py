from __future__ import annotations

import pytest

from stages.buffers import BufferPool
from stages.buffers.source_pool import SourcePool
from stages.errors import PoolClosed
from tests.runtime.latches import BOUND_SECONDS, Background, announce_wait


def test_replaced_buffers_are_freed_as_they_come_back() -> None:
    freed: list[str] = []
    pool = SourcePool[str](2, waits=True)
    pool.replace(BufferPool(2, lambda: "small", free=freed.append))
    held = pool.lease()
    assert held is not None
    pool.replace(BufferPool(2, lambda: "large", free=freed.append))
    assert freed == ["small"]
    held.release()
    assert freed == ["small", "small"]
    fresh = pool.lease()
    assert fresh is not None
    assert fresh.buffer == "large"


def test_close_wakes_a_waiting_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only buffer is out; lease() begins to wait; close(); lease() raises PoolClosed."""
    pool = SourcePool[str](1, waits=True)
    buffers = BufferPool(1, lambda: "buffer")
    pool.replace(buffers)
    held = pool.lease()
    waiting = announce_wait(monkeypatch, buffers._changed)
    second = Background(pool.lease)
    assert waiting.wait(BOUND_SECONDS)
    pool.close()
    with pytest.raises(PoolClosed):
        second.result()
    assert held is not None
    held.release()


def test_buffers_that_come_after_the_close_are_freed() -> None:
    freed: list[str] = []
    pool = SourcePool[str](2, waits=True)
    pool.close()
    with pytest.raises(PoolClosed, match="interrupted"):
        pool.replace(BufferPool(2, lambda: "late", free=freed.append))
    assert freed == ["late", "late"]


def test_a_source_that_can_t_wait_gets_none_and_it_is_counted() -> None:
    pool = SourcePool[str](1, waits=False)
    assert pool.statistics().capacity == 1
    pool.replace(BufferPool(1, lambda: "buffer"))
    held = pool.lease()
    assert held is not None
    assert pool.lease() is None
    assert (pool.refused, pool.statistics().leased) == (1, 1)
    held.release()
