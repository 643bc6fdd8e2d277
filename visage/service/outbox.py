"""Events waiting for receivers, on disk: a receiver that was away for a night misses none.

At least once: an event goes from here only when its receiver has said that it has it, or when there are more than
`limit` for one receiver, and then the oldest goes and is counted. SQLite in WAL mode behind one lock; safe from any
thread. `put` costs the sink thread one short transaction for all receivers, and its way to disk, 0.2 ms on an SSD: a
power cut loses no event of a file that the ledger says is done. It raises sqlite3.Error where the disk does not take
the event, and then nothing has changed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass
from pathlib import Path

from visage.service.enrolled import without_forgotten
from visage.storage.transaction import opened, transaction

__all__ = ["Letter", "Outbox"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, event_id TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS letters_by_receiver ON letters (receiver, number);
"""


class Outbox:
    """Keeps the waiting events in SQLite and owns the database file. Safe from any thread."""

    def __init__(self, path: Path, *, limit: int) -> None:
        """`limit`: most events kept for a receiver."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._limit = limit
        self._lock = threading.Lock()
        self._database = opened(path, SCHEMA)
        self._database.execute("PRAGMA secure_delete = ON")  # letters name people
        self._depths: Counter[str] = Counter(
            dict(self._database.execute("SELECT receiver, COUNT(*) FROM letters GROUP BY receiver").fetchall())
        )
        self._dropped: Counter[str] = Counter()
        self._on_put: list[Callable[[], None]] = []

    def on_put(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each `put`, on the thread that puts; it must not block.

        To be registered before the first `put`.
        """
        self._on_put.append(callback)

    def put(self, receivers: Collection[str], event_id: str, body: str) -> None:
        """Store an event for these receivers; beyond the limit a receiver's oldest events are dropped.

        Raises sqlite3.Error, and nothing is stored for any of them.
        """
        with self._lock:
            # More than one where the limit was lowered since these were put.
            excess = {name: most for name in receivers if (most := self._depths[name] + 1 - self._limit) > 0}
            with transaction(self._database) as database:
                database.executemany(
                    "INSERT INTO letters (receiver, event_id, body) VALUES (?, ?, ?)",
                    [(receiver, event_id, body) for receiver in receivers],
                )
                database.executemany(
                    "DELETE FROM letters WHERE number IN"
                    " (SELECT number FROM letters WHERE receiver = ? ORDER BY number LIMIT ?)",
                    list(excess.items()),
                )
            # Only now: what the disk refused is neither kept nor dropped.
            self._depths.update(receivers)
            self._depths.subtract(excess)
            self._dropped.update(excess)
        for callback in self._on_put:
            callback()

    def oldest(self, receiver: str, count: int = 32) -> list[Letter]:
        """Return the next `count` events for a receiver at most, oldest first. They stay until `delivered`."""
        with self._lock:
            rows = self._database.execute(
                "SELECT number, event_id, body FROM letters WHERE receiver = ? ORDER BY number LIMIT ?",
                (receiver, count),
            ).fetchall()
        return [Letter(*row) for row in rows]

    def delivered(self, receiver: str, number: int) -> None:
        """Remove an event that a receiver has taken or will never take. Without effect if it is gone.

        Raises sqlite3.Error.
        """
        with self._lock:
            gone = self._database.execute("DELETE FROM letters WHERE number = ?", (number,)).rowcount
            self._depths[receiver] -= gone

    def forget(self, known: Collection[str]) -> None:
        """Drop the events of receivers that are no longer configured, those not in `known`."""
        with self._lock:
            for receiver in [name for name in self._depths if name not in known]:
                self._database.execute("DELETE FROM letters WHERE receiver = ?", (receiver,))
                del self._depths[receiver]

    def erase(self, known: Set[str]) -> int:
        """Unname everyone whose id is not among these, in letters that wait and in what is left of delivered ones.

        Returns the number of letters changed. Raises sqlite3.Error.
        """
        with self._lock:
            with transaction(self._database) as database:
                rows = database.execute("SELECT number, body FROM letters WHERE body LIKE '%\"person\":{%'").fetchall()
                changed = [(new, number) for number, body in rows if (new := without_forgotten(body, known)) != body]
                database.executemany("UPDATE letters SET body = ? WHERE number = ?", changed)
            self._database.execute("VACUUM")  # pages freed by a version that did not overwrite them
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(changed)

    def depths(self) -> dict[str, int]:
        """Return the number of waiting events by receiver."""
        with self._lock:
            return dict(self._depths)

    def dropped(self) -> dict[str, int]:
        """Return the number of events dropped beyond the limit since the start, by receiver."""
        with self._lock:
            return dict(self._dropped)

    def close(self) -> None:
        """Close the database. Any later write raises sqlite3.ProgrammingError."""
        with self._lock:
            self._database.close()


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that waits for a receiver; `number` identifies it to `Outbox.delivered`, `body` is JSON."""

    number: int
    event_id: str
    body: str
