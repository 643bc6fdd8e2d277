"""A source's buffers against a plain model: leased, given back in any order, replaced by larger ones, closed."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stages.buffers.pool import BufferPool, Lease
from stages.buffers.source_pool import SourcePool
from stages.errors import PoolClosed


class Buffers(RuleBasedStateMachine):
    """Of a source that can't wait: a lease that finds no buffer is refused and counted."""

    def __init__(self) -> None:
        super().__init__()
        self.pool: SourcePool[int] = SourcePool(3, waits=False)
        self.made = 0
        self.freed: list[int] = []
        self.idle: list[int] = []
        self.out: list[tuple[Lease[int], int]] = []
        self.current: set[int] = set()
        self.refused = 0
        self.is_closed = False

    def allocate(self) -> int:
        self.made += 1
        return self.made

    @rule(capacity=st.integers(1, 3))
    def replace(self, capacity: int) -> None:
        fresh = BufferPool(capacity, self.allocate, free=self.freed.append)
        own = list(range(self.made - capacity + 1, self.made + 1))
        if self.is_closed:
            with pytest.raises(PoolClosed):
                self.pool.replace(fresh)
            own = []
        else:
            self.pool.replace(fresh)
        self.idle, self.current = own, set(own)

    @precondition(lambda self: self.made)
    @rule()
    def lease(self) -> None:
        if self.is_closed:
            with pytest.raises(PoolClosed):
                self.pool.lease()
            return
        lease = self.pool.lease()
        if not self.idle:
            assert lease is None
            self.refused += 1
            return
        assert lease is not None
        assert lease.buffer in self.idle
        self.idle.remove(lease.buffer)
        self.out.append((lease, lease.buffer))

    @precondition(lambda self: not self.made)
    @rule()
    def lease_before_there_is_a_buffer(self) -> None:
        with pytest.raises(ValueError, match="no buffers yet"):
            self.pool.lease()

    @precondition(lambda self: self.out)
    @rule(data=st.data(), times=st.integers(1, 2))
    def give_back(self, data: st.DataObject, times: int) -> None:
        lease, buffer = self.out.pop(data.draw(st.integers(0, len(self.out) - 1), label="lease"))
        for _ in range(times):
            lease.release()
        with pytest.raises(PoolClosed):
            _ = lease.buffer
        if buffer in self.current and not self.is_closed:
            self.idle.append(buffer)

    @rule()
    def close(self) -> None:
        self.pool.close()
        self.is_closed, self.idle, self.current = True, [], set()

    @invariant()
    def every_buffer_is_idle_out_or_freed(self) -> None:
        out = [buffer for _, buffer in self.out]
        assert sorted([*self.idle, *out, *self.freed]) == list(range(1, self.made + 1))
        assert self.pool.refused == self.refused
        assert all(lease.is_active and lease.buffer == buffer for lease, buffer in self.out)

    def teardown(self) -> None:
        for lease, _ in self.out:
            lease.release()
        self.pool.close()
        assert sorted(self.freed) == list(range(1, self.made + 1))


TestBuffers = Buffers.TestCase
TestBuffers.settings = settings(max_examples=60, stateful_step_count=30)
