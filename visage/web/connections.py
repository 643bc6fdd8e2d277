"""Connections waiting for their client to send something: bounded in time and number, so that they block no others.

A connection waits while its request's head or body is not there yet. A head has `idle_seconds` in all, a body may pause
for as long. Where too many wait, of one client or together, the one that has waited longest is closed for the new one:
a new connection is always taken, and so `/healthz` is answered however many are silent. In its first second a
connection goes only for the whole number's sake: its request is on the way. Everything runs in the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import Enum
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

__all__ = ["Connection", "WaitingConnections"]


YOUNG_SECONDS = 1.0


class WaitingConnections:
    """Those that wait, the longest first. Invariant: at most `most` of them.

    Of one client there are at most `most_per_client`, besides those that came within the last second.
    """

    def __init__(self, *, seconds: float, most: int, most_per_client: int) -> None:
        self.seconds = seconds
        self._most = most
        self._most_per_client = most_per_client
        self._waiting: dict[Connection, tuple[str, float]] = {}
        self._clients: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, connection: Connection, client: str) -> None:
        """Count a waiting connection; beyond a limit the one that has waited longest is closed.

        The limit of one client spares connections younger than YOUNG_SECONDS. In the event loop only.
        """
        if connection in self._waiting:
            return
        now = connection.loop.time()
        self._waiting[connection] = (client, now)
        self._clients[client] += 1
        while self._clients[client] > self._most_per_client:
            oldest = self._oldest(client)
            if now - self._waiting[oldest][1] < YOUNG_SECONDS:
                break
            self._close(oldest)
        if len(self._waiting) > self._most:
            self._close(self._oldest(self._clients.most_common(1)[0][0]))

    def discard(self, connection: Connection) -> None:
        """Stop counting a connection; without effect if it is not counted. In the event loop only."""
        entry = self._waiting.pop(connection, None)
        if entry is not None:
            client = entry[0]
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    def _oldest(self, client: str) -> Connection:
        return next(connection for connection, (owner, _) in self._waiting.items() if owner == client)

    def _close(self, connection: Connection) -> None:
        self.discard(connection)
        connection.transport.abort()


class _Phase(Enum):
    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"


class Connection(H11Protocol):
    """uvicorn's HTTP connection, which also reports when it starts and stops waiting. In the event loop only."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        waiting: WaitingConnections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._waiting = waiting
        self._phase = _Phase.ANSWER
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start waiting for a request, at most the limit in seconds."""
        super().connection_made(transport)
        self._settle(has_data=False)

    def data_received(self, data: bytes) -> None:
        """Receive part of a request, `data` bytes, of any length."""
        super().data_received(data)
        self._settle(has_data=True)

    def on_response_complete(self) -> None:
        """Start waiting for the next request on this connection."""
        super().on_response_complete()
        self._settle(has_data=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection; `exc` is None if it was closed in order."""
        self._waiting.discard(self)
        self._stop_timer()
        super().connection_lost(exc)

    def _settle(self, *, has_data: bool) -> None:
        if self.transport.is_closing():
            return
        phase = self._current_phase()
        if phase is _Phase.ANSWER:
            self._waiting.discard(self)
            self._stop_timer()
        else:
            self._waiting.add(self, self.client[0] if self.client else "")
            if phase is not self._phase or (phase is _Phase.BODY and has_data):
                self._stop_timer()
                self._timer = self.loop.call_later(self._waiting.seconds, self.transport.abort)
        self._phase = phase

    def _current_phase(self) -> _Phase:
        if self.cycle is None or self.cycle.response_complete:
            return _Phase.HEAD
        return _Phase.BODY if self.cycle.more_body else _Phase.ANSWER

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
