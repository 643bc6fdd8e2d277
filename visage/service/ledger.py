"""The ledger of files: each is analysed once for its content and the settings, whatever happens to the process.

    queued ──claim──> running ──complete──> done
       ^ ^               │ ├────fail────> queued again after a wait, in the end failed
       │ └──found again──┼─┼────miss────> the same, in the end missing
       └────release──────┘ └──set_aside─> set aside

A job that is running when the process dies is found by `recover` at the next start and queued again, as a suspect: it
may have brought the process down. A suspect is tried in a process of its own first (see `visage.service.trial`); if it
brings that down too it is set aside. If the process died of its own fault, rather than being killed from outside, that
is counted as well, and a second time sets the file aside. So a poison file never stops the queue, and an innocent one
that was merely in flight is not blamed.

SQLite in WAL mode with synchronous=FULL: what was recorded survives a power cut. One connection behind one lock; every
method is one transaction and safe from any thread.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from visage.service.job import FIELDS, Job, JobState
from visage.storage.transaction import opened, transaction

__all__ = ["Job", "JobState", "Ledger"]

FAULTS_UNTIL_SET_ASIDE = 2

MAX_WAIT_SECONDS = 3600.0
"""Longest wait that is left over from an earlier process: the clock may have been set back since."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, content TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY,
    content TEXT NOT NULL, settings TEXT NOT NULL, path TEXT NOT NULL, folder TEXT NOT NULL,
    priority INTEGER NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0, faults INTEGER NOT NULL DEFAULT 0,
    is_suspect INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0, error TEXT,
    queued_at REAL NOT NULL, started_at REAL, ended_at REAL, completions INTEGER NOT NULL DEFAULT 0,
    frames INTEGER, faces INTEGER,
    UNIQUE (content, settings)
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_turn ON jobs (state, priority DESC, queued_at, number);
"""


class Ledger:
    """Keeps the jobs in SQLite and owns the database file.

    Safe from any thread; methods raise sqlite3.Error (a full disk).
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens or makes it; `now` gives seconds since the epoch, `monotonic` those that waits are counted in."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._now = now
        self._monotonic = monotonic
        self._steady_offset = now() - monotonic()
        self._lock = threading.Lock()
        self._database = opened(path, SCHEMA)
        self._database.execute(
            "UPDATE jobs SET not_before = :latest WHERE not_before > :latest", {"latest": now() + MAX_WAIT_SECONDS}
        )

    def recover(self, *, by_own_fault: bool) -> list[Job]:
        """At start, before any `claim`: queue the jobs that were running when the last process died, as suspects.

        Args:
            by_own_fault: the process crashed; otherwise it was killed, or the power failed.

        Returns:
            The jobs that were running, in their new state: QUEUED or SET_ASIDE.

        Raises:
            sqlite3.Error: the database can't be written.
        """
        with self._transaction() as database:
            numbers = [row[0] for row in database.execute("SELECT number FROM jobs WHERE state = 'running'")]
            for number in numbers:
                database.execute(
                    "UPDATE jobs SET state = 'queued', deaths = deaths + 1, faults = faults + ?, is_suspect = 1,"
                    " not_before = 0 WHERE number = ?",
                    (int(by_own_fault), number),
                )
                database.execute(
                    "UPDATE jobs SET state = 'set aside', ended_at = ?, error = ? WHERE number = ? AND faults >= ?",
                    (
                        self._now(),
                        "it was running both times when the process crashed",
                        number,
                        FAULTS_UNTIL_SET_ASIDE,
                    ),
                )
            return [self._job(database, number) for number in numbers]

    def known_content(self, path: Path, size: int, modified_ns: int) -> str | None:
        """The content key that was noted for a file of this size and time; None if there is none."""
        with self._transaction() as database:
            row = database.execute(
                "SELECT content FROM files WHERE path = ? AND size = ? AND modified_ns = ?",
                (str(path), size, modified_ns),
            ).fetchone()
        return None if row is None else str(row[0])

    def last_content(self, path: Path) -> str | None:
        """The content key that was noted last for a file, whatever its size and time; None if there is none."""
        with self._transaction() as database:
            row = database.execute("SELECT content FROM files WHERE path = ?", (str(path),)).fetchone()
        return None if row is None else str(row[0])

    def enqueue(
        self, path: Path, *, size: int, modified_ns: int, content: str, settings: str, folder: str, priority: int
    ) -> Job:
        """Record a file and queue it unless its content is known with these settings. Returns its job, new or not.

        A waiting job follows its file: the newest path and priority count. A missing one is queued again.

        Args:
            size: in bytes.
            modified_ns: nanoseconds since the epoch.
            priority: higher numbers are claimed first.

        Raises:
            sqlite3.Error: the database can't be written.
        """
        with self._transaction() as database:
            database.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET"
                " size = excluded.size, modified_ns = excluded.modified_ns, content = excluded.content",
                (str(path), size, modified_ns, content),
            )
            database.execute(
                "INSERT INTO jobs (content, settings, path, folder, priority, state, queued_at)"
                " VALUES (?, ?, ?, ?, ?, 'queued', ?) ON CONFLICT (content, settings) DO UPDATE SET"
                " path = excluded.path, folder = excluded.folder, priority = excluded.priority,"
                " attempts = iif(state = 'missing', 0, attempts), state = 'queued'"
                " WHERE state IN ('queued', 'missing')",
                (content, settings, str(path), folder, priority, self._now()),
            )
            row = database.execute(
                f"SELECT {FIELDS} FROM jobs WHERE content = ? AND settings = ?",
                (content, settings),
            ).fetchone()
        return Job.of(row)

    def claim(
        self, settings: str, *, except_folders: Collection[str] = (), except_suspects: bool = False
    ) -> Job | None:
        """Take the next job whose time has come, highest priority first; suspects last. None if there is none.

        Of a file that grew while it was in work there are two: they have one place for their results, and take turns.
        """
        held = "".join(", ?" for _ in except_folders)[2:]
        with self._transaction() as database:
            row = database.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, started_at = ? WHERE number = ("
                f" SELECT number FROM jobs WHERE state = 'queued' AND settings = ? AND not_before <= ?"
                f" AND folder NOT IN ({held}){' AND NOT is_suspect' * except_suspects}"
                " AND path NOT IN (SELECT path FROM jobs WHERE state = 'running')"
                " ORDER BY is_suspect, priority DESC, queued_at, number LIMIT 1)"
                f" RETURNING {FIELDS}",
                (self._now(), settings, self._steady_now(), *except_folders),
            ).fetchone()
        return None if row is None else Job.of(row)

    def complete(self, number: int, *, frames: int, faces: int) -> None:
        """Mark a running job as done. To be called only when its outputs are complete and on disk.

        Raises sqlite3.Error.
        """
        self._end(number, JobState.DONE, None, "completions = completions + 1, frames = ?, faces = ?", (frames, faces))

    def release(self, number: int) -> None:
        """Queue an interrupted job again without counting the attempt; without effect unless it is running."""
        with self._transaction() as database:
            database.execute(
                "UPDATE jobs SET state = 'queued', attempts = attempts - 1 WHERE number = ? AND state = 'running'",
                (number,),
            )

    def drop(self, number: int) -> None:
        """Delete a running job: its file has other content now, which has a job of its own or will get one."""
        with self._transaction() as database:
            database.execute("DELETE FROM jobs WHERE number = ? AND state = 'running'", (number,))

    def acquit(self, number: int) -> None:
        """Clear the suspicion of a job that has passed its trial. It stays in its state."""
        with self._transaction() as database:
            database.execute("UPDATE jobs SET is_suspect = 0 WHERE number = ?", (number,))

    def retry(self, number: int, error: str, *, wait_seconds: float) -> None:
        """Queue a failed job again; it can be claimed after `wait_seconds`. Raises sqlite3.Error."""
        with self._transaction() as database:
            database.execute(
                "UPDATE jobs SET state = 'queued', not_before = ?, error = ? WHERE number = ? AND state = 'running'",
                (self._steady_now() + wait_seconds, error, number),
            )

    def fail(self, number: int, error: str) -> None:
        """Mark a running job as failed for good, with its error.

        It is not tried again until its content or settings change.
        """
        self._end(number, JobState.FAILED, error)

    def miss(self, number: int, error: str) -> None:
        """Mark a running job as missing; `enqueue` queues it again when its file is found again."""
        self._end(number, JobState.MISSING, error)

    def set_aside(self, number: int, error: str) -> None:
        """Set a running job aside because it brings processes down; it is not started again."""
        self._end(number, JobState.SET_ASIDE, error)

    def seconds_until_due(self, settings: str) -> float | None:
        """How long until a queued job's time comes: 0 for now, None where none is queued."""
        with self._transaction() as database:
            row = database.execute(
                "SELECT MIN(not_before) FROM jobs WHERE state = 'queued' AND settings = ?", (settings,)
            ).fetchone()
        return None if row[0] is None else max(0.0, float(row[0]) - self._steady_now())

    def counts(self) -> dict[JobState, int]:
        """Return the number of jobs in each state, 0 for states without any. Raises sqlite3.Error."""
        with self._transaction() as database:
            found = dict(database.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())
        return {state: int(found.get(state.value, 0)) for state in JobState}

    def jobs(self, state: JobState | None = None) -> list[Job]:
        """Return the jobs in a state, or all (None), in the order they were queued."""
        where = "" if state is None else "WHERE state = ?"
        with self._transaction() as database:
            rows = database.execute(
                f"SELECT {FIELDS} FROM jobs {where} ORDER BY number",
                () if state is None else (state.value,),
            ).fetchall()
        return [Job.of(row) for row in rows]

    def close(self) -> None:
        """Close the database. Any later call raises sqlite3.ProgrammingError."""
        with self._lock:
            self._database.close()

    def _end(
        self, number: int, state: JobState, error: str | None, also: str = "", values: tuple[int, ...] = ()
    ) -> None:
        with self._transaction() as database:
            database.execute(
                f"UPDATE jobs SET state = ?, ended_at = ?, error = ?{', ' * bool(also)}{also}"
                " WHERE number = ? AND state = 'running'",
                (state.value, self._now(), error, *values, number),
            )

    def _steady_now(self) -> float:
        """As at the opening, and from then on undisturbed by a clock that is set."""
        return self._monotonic() + self._steady_offset

    def _job(self, database: sqlite3.Connection, number: int) -> Job:
        return Job.of(database.execute(f"SELECT {FIELDS} FROM jobs WHERE number = ?", (number,)).fetchone())

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, transaction(self._database) as database:
            yield database
