"""A bounded queue against a list: what goes in comes out once, in order, and never more waits than there is room."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from visage.runtime import BoundedQueue, QueueAborted, QueueClosed


class Queues(RuleBasedStateMachine):
    """One thread, so that nothing may wait: `put` is only called where there is room, or where it must refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: BoundedQueue[int] = BoundedQueue(1)
        self.capacity = 1
        self.waiting: list[int] = []
        self.state = "open"
        self.next_item = 0
        self.passed = self.high_water = 0

    @initialize(capacity=st.integers(1, 5))
    def make(self, capacity: int) -> None:
        self.queue, self.capacity = BoundedQueue(capacity), capacity

    @property
    def refusal(self) -> type[Exception]:
        return QueueAborted if self.state == "aborted" else QueueClosed

    @precondition(lambda self: self.state == "open")
    @rule(data=st.data())
    def put(self, data: st.DataObject) -> None:
        room = self.capacity - len(self.waiting)
        count = data.draw(st.integers(min(room, 1), room))
        items = list(range(self.next_item, self.next_item + count))
        self.next_item += count
        self.queue.put(items)
        self.waiting += items
        self.high_water = max(self.high_water, len(self.waiting))

    @precondition(lambda self: self.state != "open")
    @rule()
    def put_too_late(self) -> None:
        with pytest.raises(self.refusal):
            self.queue.put([self.next_item])

    @rule()
    def get(self) -> None:
        if self.state == "aborted" or (self.state == "closed" and not self.waiting):
            with pytest.raises(self.refusal):
                self.queue.get(timeout_seconds=0)
        elif not self.waiting:
            with pytest.raises(TimeoutError):
                self.queue.get(timeout_seconds=0)
        else:
            assert self.queue.get(timeout_seconds=0) == self.waiting.pop(0)
            self.passed += 1

    @precondition(lambda self: self.waiting)
    @rule(limit=st.integers(1, 6), heavy=st.integers(1, 3))
    def get_batch(self, limit: int, heavy: int) -> None:
        """Each item weighs 0 to `heavy`: the first is taken whatever it weighs, others while they fit."""

        def weight(item: int) -> int:
            return item % (heavy + 1)

        expected: list[int] = []
        while self.waiting and (not expected or sum(map(weight, [*expected, self.waiting[0]])) <= limit):
            expected.append(self.waiting.pop(0))
        assert self.queue.get_batch(limit, weight=weight) == expected
        self.passed += len(expected)

    @precondition(lambda self: self.state == "open")
    @rule()
    def close(self) -> None:
        self.queue.close()
        self.state = "closed"

    @precondition(lambda self: self.state != "aborted")
    @rule()
    def abort(self) -> None:
        assert self.queue.abort() == self.waiting
        self.waiting = []
        self.state = "aborted"

    @precondition(lambda self: self.state == "aborted")
    @rule(capacity=st.integers(1, 5))
    def begin_anew(self, capacity: int) -> None:
        """An aborted queue has nothing more to show: on with another one."""
        self.queue, self.capacity, self.state = BoundedQueue(capacity), capacity, "open"
        self.passed = self.high_water = 0

    @invariant()
    def it_says_how_it_is(self) -> None:
        assert repr(self.queue) == f"<BoundedQueue {self.state}, {len(self.waiting)} of {self.capacity}>"
        found = self.queue.statistics()
        assert (found.depth, found.capacity) == (len(self.waiting), self.capacity)
        assert (found.passed, found.high_water) == (self.passed, self.high_water)
        assert found.high_water <= found.capacity


TestQueues = Queues.TestCase
TestQueues.settings = settings(max_examples=120, stateful_step_count=50)
