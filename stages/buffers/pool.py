"""Fixed-capacity pool of equal buffers. Invariant: free + leased == capacity.

All buffers are made when the pool is, so memory neither grows nor is allocated in the steady state. `lease` blocks
until a buffer is free, the time-out has passed or the pool is closed. A buffer that comes back carries the event after
which it may be overwritten; the next lessee's stream waits for it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from stages.buffers.stream import HOST_EVENT, Event, Stream
from stages.errors import PoolClosed, PoolTimeout

__all__ = ["BufferPool", "Lease", "PoolStatistics"]

T = TypeVar("T")


class BufferPool(Generic[T]):
    """Leases a fixed number of equal buffers. `lease` raises PoolClosed or PoolTimeout."""

    def __init__(self, capacity: int, allocate: Callable[[], T], *, free: Callable[[T], None] | None = None) -> None:
        """Allocate `capacity` buffers at once. Raises ValueError for less than one, and whatever `allocate` raises.

        Args:
            capacity: at least 1.
            allocate: makes one buffer.
            free: destroys one; by default the garbage collector does. If `allocate` fails, those made are freed.
        """
        if capacity < 1:
            raise ValueError(f"a pool needs at least one buffer, not {capacity}")
        self._capacity = capacity
        self._free = free
        self._idle: deque[tuple[T, Event]] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._leased = 0
        self._high_water = 0
        self._leases = 0
        self._seconds_waiting = 0.0
        try:
            for _ in range(capacity):
                self._idle.append((allocate(), HOST_EVENT))
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open"
        return f"<BufferPool {state}, {self._leased} of {self._capacity} leased>"

    def lease(self, *, stream: Stream | None = None, timeout_seconds: float | None = None) -> Lease[T]:
        """Take a buffer out.

        Args:
            stream: the stream that will write to it; made to wait for the last reader. None: the caller waits itself.
            timeout_seconds: None waits as long as the pool is open; 0 does not wait.

        Raises:
            PoolClosed: the pool was closed, before or while waiting.
            PoolTimeout: no buffer came back in time.
        """
        with self._changed:
            if not self._idle:
                self._wait(timeout_seconds)
            if self._is_closed:
                raise PoolClosed("the buffer pool is closed")
            if not self._idle:
                raise PoolTimeout(f"no buffer came back in {timeout_seconds} s: {self._leased} of {self._capacity} out")
            buffer, last_use = self._idle.popleft()
            self._leased += 1
            self._leases += 1
            self._high_water = max(self._high_water, self._leased)
        if stream is None:
            last_use.synchronize()
        else:
            stream.wait(last_use)
        return Lease(self, buffer)

    def close(self) -> int:
        """Wake all waiters and free the idle buffers; those still out are freed when they come back.

        Returns the number still out.
        """
        with self._changed:
            self._is_closed = True
            idle = [self._idle.popleft() for _ in range(len(self._idle))]
            leased = self._leased
            self._changed.notify_all()
        for buffer, last_use in idle:
            self._destroy(buffer, last_use)
        return leased

    def statistics(self) -> PoolStatistics:
        """Return the counters of this moment; waits are in seconds. Any thread may ask."""
        with self._changed:
            return PoolStatistics(self._capacity, self._leased, self._high_water, self._leases, self._seconds_waiting)

    def _wait(self, timeout_seconds: float | None) -> None:
        started = time.monotonic()
        self._changed.wait_for(lambda: self._is_closed or bool(self._idle), timeout_seconds)
        self._seconds_waiting += time.monotonic() - started

    def _take_back(self, lease: Lease[T], last_use: Event) -> None:
        buffer = lease._buffer
        with self._changed:
            if lease._pool is None:  # given back meanwhile
                return
            lease._pool = None
            self._leased -= 1
            keep = not self._is_closed
            if keep:
                self._idle.append((buffer, last_use))
                self._changed.notify()
        if not keep:
            self._destroy(buffer, last_use)

    def _destroy(self, buffer: T, last_use: Event) -> None:
        if self._free is not None:
            last_use.synchronize()
            self._free(buffer)


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A pool at one moment.

    Attributes:
        capacity: buffers in all.
        leased: buffers out now.
        high_water: most buffers that were ever out at once.
        leases: leases granted since the pool was made.
        seconds_waiting: total time callers spent waiting for a buffer.
    """

    capacity: int
    leased: int
    high_water: int
    leases: int
    seconds_waiting: float


class Lease(Generic[T]):
    """The right to use one buffer until `release`; a context manager. `buffer` raises PoolClosed afterwards."""

    __slots__ = ("_buffer", "_pool")

    def __init__(self, pool: BufferPool[T], buffer: T) -> None:
        self._pool: BufferPool[T] | None = pool  # set to None under the pool's lock
        self._buffer = buffer

    @property
    def buffer(self) -> T:
        """The buffer. Raises PoolClosed after `release`."""
        if self._pool is None:
            raise PoolClosed("this lease was given back")
        return self._buffer

    @property
    def is_active(self) -> bool:
        """Whether the buffer has not been given back yet."""
        return self._pool is not None

    def release(self, after: Event = HOST_EVENT) -> None:
        """Give the buffer back; it may be overwritten once `after` has passed. A second call does nothing."""
        pool = self._pool
        if pool is not None:
            pool._take_back(self, after)

    def __enter__(self) -> T:
        return self.buffer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
