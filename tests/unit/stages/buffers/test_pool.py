from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stages.buffers import HOST_EVENT, BufferPool, Event, HostStream, Lease
from stages.errors import PoolClosed, PoolTimeout
from tests.runtime.latches import BOUND_SECONDS, Background, announce_wait


class SpyEvent:
    """An event that remembers being waited for."""

    def __init__(self) -> None:
        self.waits = 0

    @property
    def is_done(self) -> bool:
        return self.waits > 0

    def synchronize(self) -> None:
        self.waits += 1


class SpyStream(HostStream):
    """A stream that remembers the events it was told to wait for."""

    def __init__(self) -> None:
        self.waited: list[Event] = []

    def wait(self, event: Event) -> None:
        self.waited.append(event)


def test_lease_waits_for_a_buffer_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only buffer is out; lease() begins to wait; release(); lease() returns it."""
    pool = BufferPool(1, lambda: bytearray(1))
    first = pool.lease()
    buffer = first.buffer
    waiting = announce_wait(monkeypatch, pool._changed)
    second = Background(pool.lease)
    assert waiting.wait(BOUND_SECONDS)
    first.release()
    lease = second.result()
    assert isinstance(lease, Lease)
    assert lease.buffer is buffer
    assert pool.statistics().seconds_waiting > 0


def test_close_wakes_a_waiting_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only buffer is out; lease() begins to wait; close(); lease() raises PoolClosed."""
    pool = BufferPool(1, lambda: bytearray(1))
    out = pool.lease()
    waiting = announce_wait(monkeypatch, pool._changed)
    second = Background(pool.lease)
    assert waiting.wait(BOUND_SECONDS)
    assert pool.close() == 1
    with pytest.raises(PoolClosed):
        second.result()
    out.release()


def test_lease_gives_up_after_its_timeout() -> None:
    pool = BufferPool(1, lambda: bytearray(1))
    with pool.lease(), pytest.raises(PoolTimeout, match="1 of 1 out"):
        pool.lease(timeout_seconds=0)


def test_the_next_lessees_stream_waits_for_the_last_reader() -> None:
    pool = BufferPool(1, lambda: bytearray(1))
    last_use = SpyEvent()
    pool.lease().release(after=last_use)
    stream = SpyStream()
    lease = pool.lease(stream=stream)
    assert stream.waited == [last_use]
    assert last_use.waits == 0
    lease.release(after=last_use)
    pool.lease()
    assert last_use.waits == 1, "without a stream the caller itself waits"


def test_a_second_release_does_nothing() -> None:
    pool = BufferPool(2, lambda: bytearray(1))
    lease = pool.lease()
    lease.release()
    lease.release()
    assert repr(pool) == "<BufferPool open, 0 of 2 leased>"
    with pytest.raises(PoolClosed):
        _ = lease.buffer


def test_buffers_are_freed_once_each_also_those_that_come_back_late() -> None:
    made = iter(range(3))
    freed: list[int] = []
    pool = BufferPool(3, lambda: next(made), free=freed.append)
    late = pool.lease()
    pool.close()
    assert freed == [1, 2]
    late.release()
    assert freed == [1, 2, 0]


def test_a_pool_that_can_not_be_filled_frees_what_it_had() -> None:
    freed: list[str] = []
    supply = iter(["a", "b"])

    def allocate() -> str:
        try:
            return next(supply)
        except StopIteration:
            raise MemoryError from None

    with pytest.raises(MemoryError):
        BufferPool(3, allocate, free=freed.append)
    assert freed == ["a", "b"]


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        BufferPool(0, lambda: bytearray(1))


class PoolMachine(RuleBasedStateMachine):
    """free + leased == capacity, and no buffer is out twice, whatever the order of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = BufferPool(4, lambda: bytearray(1))
        self.out: list[Lease[bytearray]] = []

    @rule()
    def lease(self) -> None:
        if len(self.out) == 4:
            with pytest.raises(PoolTimeout):
                self.pool.lease(timeout_seconds=0)
        else:
            self.out.append(self.pool.lease(timeout_seconds=0))

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        lease.release(after=HOST_EVENT)
        assert not lease.is_active

    @invariant()
    def counts_agree(self) -> None:
        assert self.pool.statistics().leased == len(self.out)
        assert len({id(lease.buffer) for lease in self.out}) == len(self.out)


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=50, stateful_step_count=30)
