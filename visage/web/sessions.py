"""Sessions of browsers that have shown a token: a random cookie in place of the token.

Kept in memory, so a restart asks for the token again; bounded, so the oldest goes when there are too many. A session
ends with its token: whoever looks one up asks the token store again.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["SESSION_SECONDS", "Sessions"]

SESSION_SECONDS = 12 * 3600
MAX_SESSIONS = 1024


class Sessions:
    """From a cookie's value to a token's id. Safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def begin(self, token_id: str) -> str:
        """Start a session; returns the cookie's value."""
        value = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_key(value)] = (token_id, self._clock() + SESSION_SECONDS)
            while len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return value

    def token_id(self, value: str) -> str | None:
        """Whose session this is; None for one that has ended."""
        with self._lock:
            token_id, until = self._sessions.get(_key(value), ("", 0.0))
            return token_id if self._clock() < until else None

    def end(self, value: str) -> None:
        """Forget a session, if there is one."""
        with self._lock:
            self._sessions.pop(_key(value), None)


def _key(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
