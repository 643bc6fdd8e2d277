"""Where sources hand over to the detect stage: one bounded inbox for each source, emptied in turn.

A file's inbox makes its decoder wait: nothing is lost. A live source can't wait: its full inbox drops the oldest frame,
counts it and gives it back for release. The consumer takes from the inboxes in turn, so that a fast file can't starve a
camera. It waits for its batch to fill, but never with a marker in hand: who waits for a source's end gets it at once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from enum import Enum
from typing import Generic, TypeVar

from visage.runtime.errors import QueueAborted, QueueClosed
from visage.runtime.queue import QueueStatistics

__all__ = ["Inbox", "Inboxes", "OverflowPolicy"]

T = TypeVar("T")

QUIET_SECONDS = 0.01
"""How long the consumer waits for a batch's next item, as a rule."""


class Inboxes(Generic[T]):
    """The inboxes of all sources, behind one lock; `take` and `put` raise QueueClosed or QueueAborted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_items = threading.Condition(self._lock)
        self._turn: deque[Inbox[T]] = deque()
        self._depth = 0
        # The consumer sleeps until this many items wait: being woken for each would cost it more than taking them.
        self._wanted = 1
        self._is_closed = False
        self._is_aborted = False

    def __repr__(self) -> str:
        state = "aborted" if self._is_aborted else "closed" if self._is_closed else "open"
        return f"<Inboxes {state}, {len(self._turn)} sources, {self._depth} items>"

    @property
    def has_live(self) -> bool:
        """Whether any source is live, so that its full inbox drops frames. Safe from any thread."""
        with self._lock:
            return any(inbox.policy is OverflowPolicy.DROP_OLDEST for inbox in self._turn)

    def add(self, capacity: int, policy: OverflowPolicy) -> Inbox[T]:
        """An inbox for a new source. Raises QueueClosed, QueueAborted."""
        inbox = Inbox(self, capacity, policy)
        with self._lock:
            self._check_open()
            self._turn.append(inbox)
        return inbox

    def take(self, limit: int, *, deadline_seconds: float, quiet_seconds: float = QUIET_SECONDS) -> list[T]:
        """Take 1 to `limit` items, one from each inbox in turn.

        Args:
            deadline_seconds: longest wait for the batch to fill, counted from when there is something to take.
            quiet_seconds: the wait ends when nothing has come for so long: a decoder may be waiting for its pictures to
                come back.

        Raises:
            QueueClosed: closed, and all inboxes are empty.
            QueueAborted
        """
        with self._lock:
            self._has_items.wait_for(lambda: self._depth or self._is_closed or self._is_aborted)
            if self._is_aborted or not self._depth:
                self._check_open()
            until = time.monotonic() + deadline_seconds
            batch: list[T] = []
            while True:
                has_marker = self._take_in_turn(batch, limit)
                remaining = until - time.monotonic()
                if has_marker or len(batch) >= limit or remaining <= 0 or self._is_closed or self._is_aborted:
                    return batch
                self._wanted = limit - len(batch)
                self._has_items.wait(min(remaining, quiet_seconds))
                self._wanted = 1
                if not self._depth:
                    return batch

    def close(self) -> None:
        """Accept nothing more: `add` and `put` raise QueueClosed from now on. What waits can still be taken."""
        with self._lock:
            self._is_closed = True
            self._wake_all()

    def abort(self) -> list[T]:
        """Make both ends raise QueueAborted; returns the items that were waiting, now the caller's."""
        with self._lock:
            self._is_aborted = True
            left = [item for inbox in self._turn for item in inbox.clear()]
            self._depth = 0
            self._wake_all()
        return left

    def _take_in_turn(self, batch: list[T], limit: int) -> bool:
        """Fill the batch with what is there; says whether a marker came with it."""
        idle = 0
        has_marker = False
        while len(batch) < limit and idle < len(self._turn):
            inbox = self._turn[0]
            self._turn.rotate(-1)
            if len(inbox):
                item, is_droppable = inbox.pop()
                batch.append(item)
                has_marker |= not is_droppable
                self._depth -= 1
                idle = 0
            elif inbox.is_finished:
                self._turn.pop()
            else:
                idle += 1
        return has_marker

    def _check_open(self) -> None:
        if self._is_aborted:
            raise QueueAborted("the inboxes were aborted")
        if self._is_closed:
            raise QueueClosed("the inboxes are closed")

    def _wake_all(self) -> None:
        self._has_items.notify_all()
        for inbox in self._turn:
            inbox.has_room.notify_all()


class OverflowPolicy(Enum):
    """What a full inbox does: `put` waits, or drops the oldest frame."""

    WAIT = "wait"
    DROP_OLDEST = "drop oldest"


class Inbox(Generic[T]):
    """One source's end of `Inboxes`: made by `add`, filled by one thread, guarded by the owner's lock."""

    def __init__(self, owner: Inboxes[T], capacity: int, policy: OverflowPolicy) -> None:
        if capacity < 1:
            raise ValueError(f"an inbox needs room for at least one item, not {capacity}")
        self._owner = owner
        self._capacity = capacity
        self.policy = policy
        self._items: deque[tuple[T, bool]] = deque()
        self.has_room = threading.Condition(owner._lock)
        self.is_finished = False
        self.holds_up = False  # its thread waits for room
        self._high_water = 0
        self._passed = 0
        self._dropped = 0
        self._seconds_waiting_to_put = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, *, droppable: bool) -> T | None:
        """Append an item, as the policy says.

        Args:
            droppable: whether it may be dropped later for want of room (frames may, markers may not).

        Returns:
            An older item that had to go, now the caller's, or None.

        Raises:
            QueueClosed, QueueAborted: the item remains the caller's. QueueClosed also after `finish`.
        """
        dropped: T | None = None
        with self._owner._lock:
            self._check_open()
            if droppable and len(self._items) >= self._capacity:
                if self.policy is OverflowPolicy.WAIT:
                    self._wait_for_room()
                    self._check_open()
                else:
                    dropped = self._drop_oldest()
            self._append(item, droppable=droppable)
        return dropped

    def finish(self, last: T | None = None) -> None:
        """Append a last item, which is never dropped; the inbox is removed once it is empty. Raises nothing.

        From any thread: nothing comes after it. It is not taken where the owner was closed or aborted.
        """
        owner = self._owner
        with owner._lock:
            if last is not None and not (self.is_finished or owner._is_closed or owner._is_aborted):
                self._append(last, droppable=False)
            self.is_finished = True
            self.has_room.notify()

    def statistics(self) -> QueueStatistics:
        """Return the counters at present; `seconds_waiting_to_get` is 0, as it is not known by source."""
        with self._owner._lock:
            return QueueStatistics(
                depth=len(self._items),
                capacity=self._capacity,
                high_water=self._high_water,
                passed=self._passed,
                seconds_waiting_to_put=self._seconds_waiting_to_put,
                seconds_waiting_to_get=0.0,
            )

    @property
    def dropped(self) -> int:
        """Number of items dropped so far because the inbox was full."""
        return self._dropped

    def pop(self) -> tuple[T, bool]:
        """Take the next item, and whether it may be dropped; the owner's lock is held. Raises IndexError."""
        self._passed += 1
        self.has_room.notify()
        return self._items.popleft()

    def clear(self) -> list[T]:
        """Take all items; the owner's lock is held."""
        left = [item for item, _ in self._items]
        self._items.clear()
        return left

    def _check_open(self) -> None:
        self._owner._check_open()
        if self.is_finished:
            raise QueueClosed("the inbox is finished")

    def _append(self, item: T, *, droppable: bool) -> None:
        owner = self._owner
        self._items.append((item, droppable))
        self._high_water = max(self._high_water, len(self._items))
        owner._depth += 1
        if owner._depth >= owner._wanted or not droppable:
            owner._has_items.notify()

    def _wait_for_room(self) -> None:
        owner = self._owner
        started = time.monotonic()
        owner._has_items.notify()  # it may be waiting for more than fits
        self.holds_up = True
        self.has_room.wait_for(
            lambda: len(self._items) < self._capacity or self.is_finished or owner._is_closed or owner._is_aborted
        )
        self.holds_up = False
        self._seconds_waiting_to_put += time.monotonic() - started

    def _drop_oldest(self) -> T | None:
        for position, (item, droppable) in enumerate(self._items):
            if droppable:
                del self._items[position]
                self._owner._depth -= 1
                self._dropped += 1
                return item
        return None
