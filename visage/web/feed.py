"""Delivers events to subscribers: a bounded queue for each, and a short memory for those who reconnect.

`publish` never blocks. A listener who reads too slowly loses its oldest events and is told how many, so that it can
read the state again. The last events are kept: `Last-Event-ID` resumes where a connection broke.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import replace

from pydantic import JsonValue

from visage.runtime.wake import Wake
from visage.web.errors import TooMany
from visage.web.ports import FeedEvent

__all__ = ["EventFeed", "Listener"]

REMEMBERED = 500
WAITING = 256
KEEP_ALIVE_SECONDS = 15.0


class EventFeed:
    """Fans events out. Safe from any thread, apart from `listen`."""

    def __init__(self, *, most_listeners: int) -> None:
        self._most_listeners = most_listeners
        self._lock = threading.Lock()
        self._recent: deque[FeedEvent] = deque(maxlen=REMEMBERED)
        self._listeners: set[Listener] = set()
        self._is_closed = False

    def publish(self, event: FeedEvent) -> None:
        """Send an event to every subscriber and remember it. Safe from any thread; never waits for a subscriber."""
        with self._lock:
            self._recent.append(event)
            listeners = list(self._listeners)
        for listener in listeners:
            listener.put(event.event_id, event.type, event.record)

    def tell(self, event_type: str, data: JsonValue) -> None:
        """Send data to the present subscribers without remembering it. Safe from any thread."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.put(None, event_type, data)

    def forget_others(self, known: Collection[str]) -> None:
        """Remove the names of people whose ids are not in `known` from the remembered events."""
        with self._lock:
            events = [_without_others(event, known) for event in self._recent]
            self._recent.clear()
            self._recent.extend(events)

    def recent(self, limit: int) -> list[FeedEvent]:
        """Return the newest events, newest first, at most `limit`."""
        with self._lock:
            return list(self._recent)[: -limit - 1 : -1]

    @contextlib.contextmanager
    def listen(self, last_event_id: str | None = None) -> Iterator[Listener]:
        """Listen from now on, or from after an event that is still remembered. Raises TooMany."""
        listener = Listener()
        with self._lock:
            if len(self._listeners) >= self._most_listeners:
                raise TooMany(f"{self._most_listeners} event streams are open already", retry_after_seconds=5)
            missed = list(self._recent)
            ids = [event.event_id for event in missed]
            missed = missed[ids.index(last_event_id) + 1 :] if last_event_id in ids else []
            self._listeners.add(listener)
            if self._is_closed:
                listener.close()
        for event in missed:
            listener.put(event.event_id, event.type, event.record)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def close(self) -> None:
        """End every stream, including those that start later. Safe to call more than once, from any thread."""
        with self._lock:
            self._is_closed = True
            listeners = list(self._listeners)
        for listener in listeners:
            listener.close()


class Listener:
    """One stream of server-sent events. `messages` is for the event loop that created it; the rest for any thread."""

    def __init__(self) -> None:
        self._wake = Wake()
        self._lock = threading.Lock()
        self._waiting: deque[str] = deque()
        self._lost = 0
        self._is_closed = False

    def put(self, event_id: str | None, event_type: str, data: JsonValue) -> None:
        """From any thread; `event_id` None for what nobody can ask for again."""
        head = f"id: {event_id}\n" if event_id is not None else ""
        message = f"{head}event: {event_type}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
        with self._lock:
            if len(self._waiting) >= WAITING:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(message)
        self._wake.set()

    def close(self) -> None:
        """From any thread: end after what is waiting."""
        self._is_closed = True
        self._wake.set()

    async def messages(self) -> AsyncIterator[str]:
        """Yield server-sent events as text until the feed closes, with comments every few seconds as a keep-alive.

        Events dropped because the client was slow are reported as one `lost` event with their number.
        """
        yield "retry: 2000\n\n"
        while True:
            with self._lock:
                waiting, self._waiting = self._waiting, deque()
                lost, self._lost = self._lost, 0
            if lost:
                yield f'event: lost\ndata: {{"events": {lost}}}\n\n'
            if waiting:
                yield "".join(waiting)
            elif self._is_closed:
                return
            elif not await self._wake.wait(KEEP_ALIVE_SECONDS):
                yield ": still here\n\n"


def _without_others(event: FeedEvent, known: Collection[str]) -> FeedEvent:
    person = event.record.get("person")
    person_id = person.get("id") if isinstance(person, dict) else None
    return event if person_id is None or person_id in known else replace(event, record={**event.record, "person": None})
