"""The buffers of one source: a pool that is replaced when the pictures outgrow it, and closed with the source.

Invariant: after `close`, from whatever thread, nothing is leased any more; a `lease` that waits and a `replace` under
way raise PoolClosed. Under pressure a file waits for a buffer; a live source gets none, which is counted.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from stages.buffers.pool import BufferPool, Lease, PoolStatistics
from stages.errors import PoolClosed, PoolTimeout

__all__ = ["SourcePool"]

T = TypeVar("T")


class SourcePool(Generic[T]):
    """Leases buffers to the thread of one source; `lease` and `replace` raise PoolClosed once any thread closed it.

    Attributes:
        capacity: most buffers of a pool.
        refused: how often no buffer was free.
    """

    def __init__(self, capacity: int, *, waits: bool) -> None:
        """`waits`: `lease` blocks until a buffer is free; otherwise it returns None at once."""
        self.capacity = capacity
        self.refused = 0
        self._timeout_seconds = None if waits else 0.0
        self._lock = threading.Lock()
        self._is_closed = False
        self._pool: BufferPool[T] | None = None

    def __repr__(self) -> str:
        return f"<SourcePool {self._pool or 'without buffers'}>"

    def replace(self, fresh: BufferPool[T]) -> None:
        """Lease from `fresh` from now on; the old pool's buffers are freed as they come back. Raises PoolClosed."""
        with self._lock:
            stale, self._pool = self._pool, fresh
            is_closed = self._is_closed
        if stale is not None:
            stale.close()
        if is_closed:
            fresh.close()
            raise PoolClosed("this source was interrupted")

    def lease(self) -> Lease[T] | None:
        """A buffer, whose last reader is waited for; None if none is free and the source can't wait.

        Raises PoolClosed, also while waiting.
        """
        if self._pool is None:
            raise ValueError("this source has no buffers yet")
        try:
            return self._pool.lease(timeout_seconds=self._timeout_seconds)
        except PoolTimeout:
            self.refused += 1
            return None

    def close(self) -> None:
        """From any thread: free the idle buffers; those still out are freed when they come back."""
        with self._lock:
            self._is_closed = True
            pool = self._pool
        if pool is not None:
            pool.close()

    def statistics(self) -> PoolStatistics:
        """Return the counters of the pool in use, waits in seconds; before there is one, those of an empty pool."""
        pool = self._pool
        return pool.statistics() if pool is not None else PoolStatistics(self.capacity, 0, 0, 0, 0.0)
