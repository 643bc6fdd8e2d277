from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.frames import Faces, Frame, Observation
from stages.sources import SourceEnded
from tests.runtime.latches import BOUND_SECONDS, Background, announce_wait
from tests.unit.stages.pictures import TaggedPicture
from visage.runtime import BoundedQueue, QueueAborted, QueueClosed
from visage.runtime.items import batch_weight
from visage.runtime.sinks import SinkItem

FOREVER = 1e6


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


def test_a_batch_waits_until_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """get_batch(2) takes the first item and begins to wait for the second; put(2) completes the batch."""
    queue: BoundedQueue[int] = BoundedQueue(4)
    queue.put([1])
    waiting = announce_wait(monkeypatch, queue._has_items)
    batch = Background(lambda: queue.get_batch(2, deadline_seconds=BOUND_SECONDS))
    assert waiting.wait(BOUND_SECONDS)
    queue.put([2])
    assert batch.result() == [1, 2]


def test_a_batch_is_not_awaited_after_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """get_batch(2) holds one item and waits; close(); it returns the one."""
    queue: BoundedQueue[int] = BoundedQueue(4)
    queue.put([1])
    waiting = announce_wait(monkeypatch, queue._has_items)
    batch = Background(lambda: queue.get_batch(2, deadline_seconds=BOUND_SECONDS))
    assert waiting.wait(BOUND_SECONDS)
    queue.close()
    assert batch.result() == [1]


def test_the_end_of_a_source_is_not_held_back_for_more_faces() -> None:
    queue: BoundedQueue[SinkItem] = BoundedQueue(4)
    seen, ended = Observation(Frame("film", 0, 0.0, TaggedPicture(0)), Faces.none()), SourceEnded("film", 1)
    queue.put([seen, ended])
    for item in (seen, ended):
        assert queue.get_batch(64, deadline_seconds=FOREVER, weight=batch_weight) == [item]


def test_a_batch_without_a_deadline_takes_what_is_there() -> None:
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
