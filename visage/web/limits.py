"""How much one client may ask for: a token bucket each, in bounded memory.

The clients longest unseen are forgotten first; one that comes back begins with a full bucket, which costs at most one
burst.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from visage.web.errors import TooMany

__all__ = ["RateLimiter"]

MAX_CLIENTS = 4096


class RateLimiter:
    """`rate` a second on average, `burst` at once, for every client by itself. Safe from any thread."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, client: str) -> None:
        """Take one. Raises TooMany when there is none left."""
        now = self._clock()
        with self._lock:
            left, seen = self._buckets.pop(client, (float(self._burst), now))
            left = min(self._burst, left + (now - seen) * self._rate)
            refused = left < 1.0
            self._buckets[client] = (left if refused else left - 1.0, now)
            if len(self._buckets) > MAX_CLIENTS:
                self._buckets.popitem(last=False)
        if refused:
            wait = (1.0 - left) / self._rate
            raise TooMany(f"too many requests; try again in {math.ceil(wait)} s", retry_after_seconds=wait)
