"""The ledger of a cluster's jobs: whoever holds a job's current token may complete it, and no one else.

    waiting ──claim──> leased ──complete──> done
       ^ ^               │ ├─────fail─────> failed
       │ └──release──────┤ │
       │                 │ └─lose─> quarantined: two workers died with it, or too many leases were lost
       └─lose or refuse──┘

A token is a number that only rises, also when the coordinator is killed and started again: a worker that was frozen or
cut off and comes back with an old one is refused. A heartbeat extends a lease and touches memory only; the disk knows
who holds what, not until when. When the ledger is opened again every lease has its full term once more, so that the
workers that went on meanwhile can report.

A worker's death is held against the jobs that it had; the loss of a node, or silence, is held against them much less:
it mostly has other reasons. A job that a worker died with is tried alone the next time, so that an innocent one that
ran beside it is not blamed twice.

SQLite in WAL mode with synchronous=FULL on the coordinator's local disk. Every method is one transaction and safe from
any thread. Time comes from the `clock`, in seconds that never go back while the process lives.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from visage.cluster.lease import JobState, Lease, LeasedJob, NewJob
from visage.storage.transaction import opened, transaction

__all__ = ["LEASE_SECONDS", "LeaseLedger", "steady_clock"]

LEASE_SECONDS = 20.0
"""From the last that was heard of a worker to the end of its leases."""

MAX_DEATHS = 2
"""Workers that die with a job until it is quarantined."""

MAX_LOSSES = 10
"""Leases of a job that may be lost with their node before it is quarantined: it may be what brings nodes down."""

FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 300.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY, job_id TEXT UNIQUE NOT NULL, content TEXT NOT NULL, priority INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', token INTEGER UNIQUE, worker TEXT, node TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0, losses INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0, reason TEXT, completions INTEGER NOT NULL DEFAULT 0,
    frames INTEGER NOT NULL DEFAULT 0, faces INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_turn ON jobs (state, (deaths > 0), priority DESC, number);
CREATE INDEX IF NOT EXISTS jobs_by_worker ON jobs (worker) WHERE state = 'leased';
CREATE INDEX IF NOT EXISTS troubled_jobs ON jobs (number) WHERE reason IS NOT NULL;
CREATE TABLE IF NOT EXISTS refusals (
    job_id TEXT NOT NULL, node TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (job_id, node)
) STRICT;
CREATE TABLE IF NOT EXISTS held_nodes (node TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO facts VALUES ('last token', 0), ('is paused', 0);
"""

FIELDS = (
    "job_id, state, priority, content, token, worker, node, attempts, deaths, losses, not_before, reason, completions,"
    " frames, faces"
)


def steady_clock(
    now: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], float]:
    """A clock that says the time of day when it is made, and from then on is not disturbed by its being set."""
    offset = now() - monotonic()
    return lambda: monotonic() + offset


class LeaseLedger:
    """Owns the database file."""

    def __init__(
        self, path: Path, *, lease_seconds: float = LEASE_SECONDS, clock: Callable[[], float] | None = None
    ) -> None:
        """Open the file or make it. Raises sqlite3.Error.

        Args:
            path: on a local disk: network file systems don't lock as SQLite needs it.
            lease_seconds: how long a lease lasts without a heartbeat.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock or steady_clock()
        self._lease_seconds = lease_seconds
        self._lock = threading.Lock()
        self._database = opened(path, SCHEMA)
        now = self._clock()
        # The clock may have been set back since.
        self._database.execute("UPDATE jobs SET not_before = min(not_before, ?)", (now + MAX_WAIT_SECONDS,))
        tokens = self._database.execute("SELECT token FROM jobs WHERE state = 'leased'")
        self._ends_at: dict[int, float] = {token: now + lease_seconds for (token,) in tokens}

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {state.value}" for state, count in self.counts().items() if count)
        return f"<LeaseLedger {counts or 'empty'}>"

    def add(self, jobs: Iterable[NewJob]) -> None:
        """Add what is not there; what is there with another content begins anew. Leased jobs stay as they are."""
        with self._transaction() as database:
            for job in jobs:
                database.execute(
                    "INSERT INTO jobs (job_id, content, priority) VALUES (?, ?, ?) ON CONFLICT (job_id) DO UPDATE SET"
                    " content = excluded.content, state = 'waiting', attempts = 0, deaths = 0, losses = 0,"
                    " not_before = 0, reason = NULL, completions = 0, frames = 0, faces = 0,"
                    " worker = NULL, node = NULL"
                    " WHERE content != excluded.content AND state != 'leased'",
                    (job.job_id, job.content, job.priority),
                )
                database.execute(
                    "UPDATE jobs SET priority = ? WHERE job_id = ? AND state = 'waiting'", (job.priority, job.job_id)
                )

    def retain(self, job_ids: Collection[str]) -> None:
        """Forget all other jobs, those that are leased as well: their tokens are late from now on."""
        kept = set(job_ids)
        with self._transaction() as database:
            for job_id, token in database.execute("SELECT job_id, token FROM jobs").fetchall():
                if job_id not in kept:
                    database.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,))
                    database.execute("DELETE FROM refusals WHERE job_id = ?", (job_id,))
                    self._ended.append(token)

    def claim(self, worker: str, node: str, *, is_busy: bool = False) -> Lease | None:
        """Take the next job whose time has come: highest priority first, suspects last. None if there is none.

        Args:
            is_busy: the worker does something already, so that no suspect is for it.
        """
        with self._transaction() as database:
            if self._fact(database, "is paused") or self._holds(database, node):
                return None
            row = database.execute(
                "SELECT number, job_id, attempts, deaths FROM jobs WHERE state = 'waiting' AND not_before <= ?"
                " AND (deaths > 0) <= ? AND NOT EXISTS"
                " (SELECT 1 FROM refusals WHERE refusals.job_id = jobs.job_id AND refusals.node = ?)"
                " ORDER BY (deaths > 0), priority DESC, number LIMIT 1",
                (self._clock(), int(not is_busy), node),
            ).fetchone()
            if row is None:
                return None
            number, job_id, attempts, deaths = row
            token = self._next_token(database)
            database.execute(
                "UPDATE jobs SET state = 'leased', token = ?, worker = ?, node = ?, attempts = attempts + 1,"
                " reason = NULL WHERE number = ?",
                (token, worker, node, number),
            )
            self._granted.append(token)
        return Lease(job_id, token, worker, node, attempts + 1, deaths > 0)

    def heartbeat(self, tokens: Iterable[int]) -> set[int]:
        """Extend these leases to their full seconds; return those of the tokens that are still good."""
        with self._lock:
            good = {token for token in tokens if token in self._ends_at}
            until = self._clock() + self._lease_seconds
            self._ends_at.update(dict.fromkeys(good, until))
        return good

    def extend_all(self, seconds: float) -> None:
        """Give every lease so many seconds more, in which the coordinator itself heard nothing."""
        with self._lock:
            self._ends_at = {token: end + seconds for token, end in self._ends_at.items()}

    def is_current(self, token: int) -> bool:
        """Return whether a job may be completed with this token now: False for a late one."""
        with self._lock:
            return token in self._ends_at

    def lease(self, token: int) -> Lease | None:
        """The current lease of this token; None for a late one."""
        with self._transaction() as database:
            row = database.execute(
                "SELECT job_id, token, worker, node, attempts, deaths > 0 FROM jobs WHERE token = ?", (token,)
            ).fetchone()
        return None if row is None else Lease(row[0], row[1], row[2], row[3], row[4], is_suspect=bool(row[5]))

    def complete(self, token: int, *, frames: int = 0, faces: int = 0) -> bool:
        """Note that a job's results are whole and durable. False for a late token, and then nothing has changed."""
        return self._end(
            token,
            "state = 'done', completions = completions + 1, reason = NULL, frames = ?, faces = ?",
            (frames, faces),
        )

    def fail(self, token: int, reason: str) -> bool:
        """Note that the job itself can't be done, wherever it is tried. False for a late token."""
        return self._end(token, "state = 'failed', reason = ?", (reason,))

    def release(self, token: int) -> bool:
        """Give a lease back unused: the job waits, and nothing is held against it. False for a late token."""
        return self._end(token, "state = 'waiting', attempts = attempts - 1", ())

    def refuse(self, token: int, reason: str) -> bool:
        """Note that the node of this lease can't do the job; others may. False for a late token."""
        with self._transaction() as database:
            if token not in self._ends_at:
                return False
            database.execute(
                "INSERT OR REPLACE INTO refusals SELECT job_id, node, ? FROM jobs WHERE token = ?", (reason, token)
            )
            self._leave(database, token, "state = 'waiting', attempts = attempts - 1, reason = ?", (reason,))
        return True

    def lose(self, token: int, reason: str, *, is_death: bool) -> LeasedJob | None:
        """End a lease whose worker is no more; the job waits, longer each time, or is quarantined.

        Args:
            reason: what became of the worker; names the node.
            is_death: the worker died while its node lived. Otherwise the node was lost, or nothing was heard of it.

        Returns:
            The job as it is now; None for a late token.
        """
        with self._transaction() as database:
            return self._lose(database, token, reason, is_death=is_death)

    def lose_worker(self, worker: str, reason: str, *, is_death: bool) -> list[LeasedJob]:
        """End all leases of a worker, see `lose`. Raises sqlite3.Error."""
        with self._transaction() as database:
            tokens = database.execute("SELECT token FROM jobs WHERE worker = ? AND state = 'leased'", (worker,))
            lost = [self._lose(database, token, reason, is_death=is_death) for (token,) in tokens.fetchall()]
        return [job for job in lost if job is not None]

    def expire(self) -> list[LeasedJob]:
        """End the leases of which nothing was heard in time; returns their jobs as they are now."""
        with self._lock:
            now = self._clock()
            late = [token for token, end in self._ends_at.items() if end <= now]
        if not late:
            return []
        lost = []
        with self._transaction() as database:
            for token in late:
                if self._ends_at.get(token, now + 1) > now:
                    continue  # it was heard, or ended, between the two locks
                (node,) = database.execute("SELECT node FROM jobs WHERE token = ?", (token,)).fetchone()
                reason = f"nothing was heard of {node} for {self._lease_seconds:g} s"
                lost.append(self._lose(database, token, reason, is_death=False))
        return [job for job in lost if job is not None]

    def retry(self, job_id: str) -> bool:
        """Let an ended job, or one that nodes refused, wait again with a clean record; False while it is leased."""
        with self._transaction() as database:
            database.execute("DELETE FROM refusals WHERE job_id = ?", (job_id,))
            changed = database.execute(
                "UPDATE jobs SET state = 'waiting', attempts = 0, deaths = 0, losses = 0, not_before = 0,"
                " reason = NULL, completions = 0, frames = 0, faces = 0 WHERE job_id = ? AND state != 'leased'",
                (job_id,),
            ).rowcount
        return changed > 0

    def give_up(self, job_id: str, reason: str) -> bool:
        """Let a waiting job fail: no node can do it. False where it does not wait."""
        with self._transaction() as database:
            changed = database.execute(
                "UPDATE jobs SET state = 'failed', reason = ? WHERE job_id = ? AND state = 'waiting'", (reason, job_id)
            ).rowcount
        return changed > 0

    def forgive(self, node: str) -> None:
        """Forget what a node refused: it has been started again, perhaps with what it lacked."""
        with self._transaction() as database:
            database.execute("DELETE FROM refusals WHERE node = ?", (node,))

    def pause(self) -> None:
        """Grant no more leases until `resume`; those that are granted go on. Survives a restart."""
        self._set_paused(True)

    def resume(self) -> None:
        """Grant leases again after `pause`. Raises sqlite3.Error."""
        self._set_paused(False)

    @property
    def is_paused(self) -> bool:
        """Whether no leases are granted. Raises sqlite3.Error."""
        with self._transaction() as database:
            return bool(self._fact(database, "is paused"))

    def hold_node(self, node: str) -> None:
        """Grant a node no more leases: it drains. Survives a restart."""
        with self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO held_nodes VALUES (?)", (node,))

    def free_node(self, node: str) -> None:
        """Grant a node leases again after `hold_node`. Raises sqlite3.Error."""
        with self._transaction() as database:
            database.execute("DELETE FROM held_nodes WHERE node = ?", (node,))

    @property
    def held_nodes(self) -> set[str]:
        """The names of nodes that drain or have been drained. Raises sqlite3.Error."""
        with self._transaction() as database:
            return {node for (node,) in database.execute("SELECT node FROM held_nodes")}

    def tokens_of(self, node: str) -> set[int]:
        """Return the tokens that a node's workers hold, ascending. Raises sqlite3.Error."""
        with self._transaction() as database:
            rows = database.execute("SELECT token FROM jobs WHERE state = 'leased' AND node = ?", (node,))
            return {token for (token,) in rows}

    def counts(self) -> dict[JobState, int]:
        """Return the number of jobs in each state; at least 0. Raises sqlite3.Error."""
        with self._transaction() as database:
            found = dict(database.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())
        return {state: int(found.get(state.value, 0)) for state in JobState}

    def jobs(self, states: Collection[JobState] = ()) -> list[LeasedJob]:
        """Return the jobs in these states, all of them for None, in the order they were added."""
        where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        with self._transaction() as database:
            rows = database.execute(
                f"SELECT {FIELDS} FROM jobs {where} ORDER BY number", [state.value for state in states]
            ).fetchall()
        return [_job(row) for row in rows]

    def troubled(self, limit: int = 100) -> list[LeasedJob]:
        """The first of the jobs that have a reason why they wait, failed or were quarantined."""
        with self._transaction() as database:
            rows = database.execute(
                f"SELECT {FIELDS} FROM jobs WHERE reason IS NOT NULL AND state != 'leased' ORDER BY number LIMIT ?",
                (limit,),
            ).fetchall()
        return [_job(row) for row in rows]

    def refused(self) -> dict[str, dict[str, str]]:
        """The waiting jobs that nodes refused: the reasons of each, by node."""
        with self._transaction() as database:
            rows = database.execute(
                "SELECT job_id, refusals.node, refusals.reason FROM refusals JOIN jobs USING (job_id)"
                " WHERE state = 'waiting' ORDER BY jobs.number, refusals.node"
            ).fetchall()
        found: dict[str, dict[str, str]] = {}
        for job_id, node, reason in rows:
            found.setdefault(job_id, {})[node] = reason
        return found

    def job(self, job_id: str) -> LeasedJob | None:
        """The job of this name; None if there is none."""
        with self._transaction() as database:
            row = database.execute(f"SELECT {FIELDS} FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        return None if row is None else _job(row)

    def seconds_until_due(self) -> float | None:
        """How long until a waiting job's time comes: 0 for now, None where none waits."""
        with self._transaction() as database:
            (first,) = database.execute("SELECT MIN(not_before) FROM jobs WHERE state = 'waiting'").fetchone()
        return None if first is None else max(0.0, float(first) - self._clock())

    def close(self) -> None:
        """Close the database. Leases stay granted."""
        with self._lock:
            self._database.close()

    def _lose(self, database: sqlite3.Connection, token: int, reason: str, *, is_death: bool) -> LeasedJob | None:
        if token not in self._ends_at:
            return None
        job_id, deaths, losses = database.execute(
            "SELECT job_id, deaths, losses FROM jobs WHERE token = ?", (token,)
        ).fetchone()
        deaths, losses = deaths + is_death, losses + (not is_death)
        is_too_much = deaths >= MAX_DEATHS or losses >= MAX_LOSSES
        wait = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** (deaths + losses - 1))
        self._leave(
            database,
            token,
            "state = ?, deaths = ?, losses = ?, not_before = ?, reason = ?",
            (
                JobState.QUARANTINED.value if is_too_much else JobState.WAITING.value,
                deaths,
                losses,
                self._clock() + wait,
                reason,
            ),
        )
        return _job(database.execute(f"SELECT {FIELDS} FROM jobs WHERE job_id = ?", (job_id,)).fetchone())

    def _end(self, token: int, changes: str, values: tuple[object, ...]) -> bool:
        with self._transaction() as database:
            if token not in self._ends_at:
                return False
            self._leave(database, token, changes, values)
        return True

    def _leave(self, database: sqlite3.Connection, token: int, changes: str, values: tuple[object, ...]) -> None:
        database.execute(f"UPDATE jobs SET {changes}, token = NULL WHERE token = ?", (*values, token))
        self._ended.append(token)

    def _next_token(self, database: sqlite3.Connection) -> int:
        (token,) = database.execute(
            "UPDATE facts SET value = value + 1 WHERE name = 'last token' RETURNING value"
        ).fetchone()
        return int(token)

    def _set_paused(self, is_paused: bool) -> None:
        with self._transaction() as database:
            database.execute("UPDATE facts SET value = ? WHERE name = 'is paused'", (int(is_paused),))

    @staticmethod
    def _fact(database: sqlite3.Connection, name: str) -> int:
        return int(database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])

    @staticmethod
    def _holds(database: sqlite3.Connection, node: str) -> bool:
        return database.execute("SELECT 1 FROM held_nodes WHERE node = ?", (node,)).fetchone() is not None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Leases begin and end in memory when they have on disk, and not before."""
        with self._lock:
            self._granted: list[int] = []
            self._ended: list[int] = []
            with transaction(self._database) as database:
                yield database
            until = self._clock() + self._lease_seconds
            self._ends_at.update(dict.fromkeys(self._granted, until))
            for token in self._ended:
                self._ends_at.pop(token, None)


def _job(row: tuple[object, ...]) -> LeasedJob:
    job_id, state, *rest = row
    return LeasedJob(str(job_id), JobState(state), *rest)  # type: ignore[arg-type]  # columns in the fields' order
