"""Bounded queue between two stages' threads.

A full queue makes the producer wait, which is how a slow stage slows the ones before it. A closed queue drains: `get`
returns what is left, then raises QueueClosed. An aborted one raises QueueAborted at once at both ends and hands its
items to whoever aborted it, so that their pixels are released.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from visage.runtime.errors import QueueAborted, QueueClosed

__all__ = ["BoundedQueue", "QueueStatistics"]

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """A first-in, first-out queue for any number of threads. A capacity below 1 raises ValueError."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a queue needs room for at least one item, not {capacity}")
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._has_room = threading.Condition(self._lock)
        self._has_items = threading.Condition(self._lock)
        self._is_closed = False
        self._is_aborted = False
        self._high_water = 0
        self._passed = 0
        self._seconds_waiting_to_put = 0.0
        self._seconds_waiting_to_get = 0.0

    def __repr__(self) -> str:
        state = "aborted" if self._is_aborted else "closed" if self._is_closed else "open"
        return f"<BoundedQueue {state}, {len(self._items)} of {self._capacity}>"

    def put(self, items: Iterable[T]) -> None:
        """Append items in order, waiting for room for each.

        Raises:
            QueueClosed, QueueAborted: the items not yet appended remain the caller's.
        """
        with self._lock:
            for item in items:
                if len(self._items) >= self._capacity:
                    self._has_items.notify_all()
                    self._wait_for_room()
                self._check_open()
                self._items.append(item)
                self._high_water = max(self._high_water, len(self._items))
            self._has_items.notify_all()  # once, and not while more is coming: who wakes up waits for the lock

    def get(self, *, timeout_seconds: float | None = None) -> T:
        """Take the next item.

        Raises:
            TimeoutError: none came in time.
            QueueClosed, QueueAborted
        """
        with self._lock:
            if not self._wait_for_items(timeout_seconds):
                raise TimeoutError(f"no item in {timeout_seconds} s")
            item = self._items.popleft()
            self._passed += 1
            self._has_room.notify()
            return item

    def get_batch(self, limit: int, *, weight: Callable[[T], int] = lambda _: 1) -> list[T]:
        """Wait for an item, then take what is there until its weights reach `limit`.

        Args:
            limit: an item that would exceed it stays for the next batch, unless it comes first.
            weight: what an item counts; 0 is allowed.

        Raises:
            QueueClosed, QueueAborted
        """
        batch: list[T] = []
        room = limit
        with self._lock:
            self._wait_for_items(None)
            while self._items:
                size = weight(self._items[0])
                if batch and size > room:
                    break
                batch.append(self._items.popleft())
                room -= size
            self._passed += len(batch)
            self._has_room.notify_all()
        return batch

    def close(self) -> None:
        """Accept no more items: `put` raises QueueClosed from now on, `get` once those waiting have been taken."""
        with self._lock:
            self._is_closed = True
            self._has_items.notify_all()
            self._has_room.notify_all()

    def abort(self) -> list[T]:
        """Make both ends raise QueueAborted; returns the items that were waiting, now the caller's."""
        with self._lock:
            self._is_aborted = True
            left = list(self._items)
            self._items.clear()
            self._has_items.notify_all()
            self._has_room.notify_all()
        return left

    def statistics(self) -> QueueStatistics:
        """Return the counters of this moment; waits are in seconds."""
        with self._lock:
            return QueueStatistics(
                depth=len(self._items),
                capacity=self._capacity,
                high_water=self._high_water,
                passed=self._passed,
                seconds_waiting_to_put=self._seconds_waiting_to_put,
                seconds_waiting_to_get=self._seconds_waiting_to_get,
            )

    def _check_open(self) -> None:
        if self._is_aborted:
            raise QueueAborted("the queue was aborted")
        if self._is_closed:
            raise QueueClosed("the queue is closed")

    def _wait_for_room(self) -> None:
        started = time.monotonic()
        self._has_room.wait_for(lambda: len(self._items) < self._capacity or self._is_closed or self._is_aborted)
        self._seconds_waiting_to_put += time.monotonic() - started

    def _wait_for_items(self, timeout_seconds: float | None) -> bool:
        if not self._items:
            started = time.monotonic()
            self._has_items.wait_for(lambda: self._items or self._is_closed or self._is_aborted, timeout_seconds)
            self._seconds_waiting_to_get += time.monotonic() - started
        if self._is_aborted or (self._is_closed and not self._items):
            self._check_open()
        return bool(self._items)


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """A queue at one moment.

    Attributes:
        depth: items waiting now.
        capacity: most that may wait.
        high_water: most that ever waited.
        passed: items taken out so far.
        seconds_waiting_to_put: total seconds producers waited for room: the consumer was the slower one.
        seconds_waiting_to_get: total seconds consumers waited for items: the producer was the slower one.
    """

    depth: int
    capacity: int
    high_water: int
    passed: int
    seconds_waiting_to_put: float
    seconds_waiting_to_get: float
