from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.latches import BOUND_SECONDS, Background, announce_wait
from visage.runtime import BoundedQueue, QueueAborted, QueueClosed


def test_put_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """put(b) on a full queue begins to wait; get() makes room; put returns; the queue never held two."""
    queue: BoundedQueue[str] = BoundedQueue(1)
    queue.put(["a"])
    waiting = announce_wait(monkeypatch, queue._has_room)
    put = Background(lambda: queue.put(["b"]))
    assert waiting.wait(BOUND_SECONDS)
    assert queue.get() == "a"
    put.result()
    assert queue.get() == "b"
    assert queue.statistics().high_water == 1
    assert queue.statistics().seconds_waiting_to_put > 0


def test_get_waits_for_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """get() on an empty queue begins to wait; put(a) wakes it."""
    queue: BoundedQueue[str] = BoundedQueue(1)
    waiting = announce_wait(monkeypatch, queue._has_items)
    get = Background(queue.get)
    assert waiting.wait(BOUND_SECONDS)
    queue.put(["a"])
    assert get.result() == "a"
    assert queue.statistics().seconds_waiting_to_get > 0


def test_a_closed_queue_drains_then_says_so() -> None:
    queue: BoundedQueue[int] = BoundedQueue(2)
    queue.put([1, 2])
    queue.close()
    assert repr(queue) == "<BoundedQueue closed, 2 of 2>"
    with pytest.raises(QueueClosed):
        queue.put([3])
    assert [queue.get(), queue.get()] == [1, 2]
    with pytest.raises(QueueClosed):
        queue.get()
    with pytest.raises(QueueClosed):
        queue.get_batch(4)


def test_close_wakes_a_waiting_get(monkeypatch: pytest.MonkeyPatch) -> None:
    """get() begins to wait; close(); get raises QueueClosed."""
    queue: BoundedQueue[int] = BoundedQueue(1)
    waiting = announce_wait(monkeypatch, queue._has_items)
    get = Background(queue.get)
    assert waiting.wait(BOUND_SECONDS)
    queue.close()
    with pytest.raises(QueueClosed):
        get.result()


def test_close_wakes_a_waiting_put(monkeypatch: pytest.MonkeyPatch) -> None:
    """put() on a full queue begins to wait; close(); put raises QueueClosed and the item stays out."""
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.put([1])
    waiting = announce_wait(monkeypatch, queue._has_room)
    put = Background(lambda: queue.put([2]))
    assert waiting.wait(BOUND_SECONDS)
    queue.close()
    with pytest.raises(QueueClosed):
        put.result()
    assert queue.get() == 1
    with pytest.raises(QueueClosed):
        queue.get()


@pytest.mark.parametrize("call", ["get", "get_batch"])
def test_abort_wakes_a_waiting_consumer(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The consumer begins to wait on an empty queue; abort(); it raises QueueAborted."""
    queue: BoundedQueue[int] = BoundedQueue(1)
    waiting = announce_wait(monkeypatch, queue._has_items)
    consumer = Background(queue.get if call == "get" else lambda: queue.get_batch(3))
    assert waiting.wait(BOUND_SECONDS)
    assert queue.abort() == []
    with pytest.raises(QueueAborted):
        consumer.result()


def test_abort_wakes_a_waiting_producer_and_hands_over_what_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """put(2) on a full queue begins to wait; abort() returns item 1; put raises QueueAborted."""
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.put([1])
    waiting = announce_wait(monkeypatch, queue._has_room)
    put = Background(lambda: queue.put([2]))
    assert waiting.wait(BOUND_SECONDS)
    assert queue.abort() == [1]
    with pytest.raises(QueueAborted):
        put.result()
    with pytest.raises(QueueAborted):
        queue.get()


def test_a_batch_takes_what_is_there() -> None:
    queue: BoundedQueue[int] = BoundedQueue(4)
    queue.put([1, 2, 3])
    assert queue.get_batch(10) == [1, 2, 3]


def test_get_gives_up_after_its_timeout() -> None:
    with pytest.raises(TimeoutError):
        BoundedQueue[int](1).get(timeout_seconds=0.0)


def test_a_queue_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        BoundedQueue[int](0)


@given(weights=st.lists(st.integers(0, 12), min_size=1, max_size=30), limit=st.integers(1, 10))
def test_batches_keep_the_order_and_the_limit(weights: list[int], limit: int) -> None:
    queue: BoundedQueue[int] = BoundedQueue(len(weights))
    queue.put(weights)
    queue.close()
    batches = []
    while True:
        try:
            batches.append(queue.get_batch(limit, weight=lambda item: item))
        except QueueClosed:
            break
    assert [item for batch in batches for item in batch] == weights
    assert all(sum(batch) <= limit or len(batch) == 1 or sum(batch[1:]) == 0 for batch in batches)
    assert queue.statistics().passed == len(weights)
