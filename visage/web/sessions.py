"""Sessions of browsers that have presented a token: a random cookie stands for the token.

A session also begins by an invitation: a code that works once, for an hour, and stands for the token of the caller who
asked for it. It is what a sign-in link carries, so that no link has a token in it.

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

__all__ = ["INVITATION_SECONDS", "SESSION_SECONDS", "Sessions", "sign_in_link"]

SESSION_SECONDS = 12 * 3600
INVITATION_SECONDS = 3600
MAX_SESSIONS = 1024
MAX_INVITATIONS = 64


class Sessions:
    """From a cookie's value to a token's id. Safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._invitations: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def begin(self, token_id: str) -> str:
        """Start a session of SESSION_SECONDS and return the cookie's value. Beyond a limit the oldest session ends."""
        value = secrets.token_urlsafe(32)
        with self._lock:
            _keep(self._sessions, value, (token_id, self._clock() + SESSION_SECONDS), MAX_SESSIONS)
        return value

    def invite(self, token_id: str) -> str:
        """Return a code that starts one session within INVITATION_SECONDS."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            _keep(self._invitations, code, (token_id, self._clock() + INVITATION_SECONDS), MAX_INVITATIONS)
        return code

    def accept(self, code: str) -> str | None:
        """Use a code up. Returns the id of the token it stands for; None if it was used, has expired or never was."""
        with self._lock:
            token_id, until = self._invitations.pop(_key(code), ("", 0.0))
            return token_id if token_id and self._clock() < until else None

    def token_id(self, value: str) -> str | None:
        """Whose session this is; None for one that has ended."""
        with self._lock:
            token_id, until = self._sessions.get(_key(value), ("", 0.0))
            return token_id if self._clock() < until else None

    def end(self, value: str) -> None:
        """End a session; without effect if there is none."""
        with self._lock:
            self._sessions.pop(_key(value), None)


def sign_in_link(url: str, code: str) -> str:
    """Return the address that signs a browser in. The part after `#` never reaches servers, proxies or their logs."""
    return f"{url}#sign-in={code}"


def _keep(
    entries: OrderedDict[str, tuple[str, float]], value: str, entry: tuple[str, float], most_entries: int
) -> None:
    entries[_key(value)] = entry
    while len(entries) > most_entries:
        entries.popitem(last=False)


def _key(value: str) -> str:
    return hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
