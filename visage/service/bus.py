"""Delivers events from the pipeline to the journal, to the outbox of network receivers and to local listeners.

Called on the sink thread: it is quick, never raises and never waits for a receiver.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Mapping

from visage.service.events import EventType, ServiceEvent
from visage.service.journal import Journal
from visage.service.outbox import Outbox

__all__ = ["EventBus"]

logger = logging.getLogger(__name__)


class EventBus:
    """Delivers each event to the journal, to the receivers that want its type and to every listener.

    Safe from any thread. The journal and the outbox stay the caller's to close.
    """

    def __init__(
        self, *, journal: Journal | None, outbox: Outbox, receivers: Mapping[str, frozenset[str] | None]
    ) -> None:
        """
        Args:
            receivers: names in the outbox, with the types of event each wants; None for all.
        """
        self._journal = journal
        self._outbox = outbox
        self._receivers = dict(receivers)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[ServiceEvent], None]] = []
        self._counts: Counter[EventType] = Counter()

    def publish(self, event: ServiceEvent) -> None:
        """Deliver an event. Never raises: a full disk or a failing listener is logged. Safe from any thread."""
        line = event.to_json()
        with self._lock:
            self._counts[event.type] += 1
            listeners = list(self._listeners)
        if self._journal is not None:
            self._journal.write(line)
        wanting = [name for name, types in self._receivers.items() if types is None or event.type in types]
        if wanting:
            try:
                self._outbox.put(wanting, event.event_id, line)
            except sqlite3.Error as error:  # a full disk: the pipeline goes on
                logger.error("an event could not be kept for %s: %s", ", ".join(wanting), error)
        for listener in listeners:
            try:
                listener(event)
            except Exception:  # a listener's fault is not the pipeline's
                logger.exception("a listener failed")

    def subscribe(self, listener: Callable[[ServiceEvent], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on; returns a function that ends this.

        The listener runs on whatever thread publishes, so it must not block. What it raises is logged. The function
        returned may be called more than once, from any thread.
        """
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def counts(self) -> dict[EventType, int]:
        """Return the number of events published so far, by type."""
        with self._lock:
            return dict(self._counts)
