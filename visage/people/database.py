"""A gallery's SQLite file: the truth about people, pictures, unknowns and sightings. Indexes are made from it.

Write-ahead log, so that readers and one writer do not wait for each other, other processes included, and a process that
is killed, or a power cut, costs at most the transaction it was in: every commit is brought to disk (`synchronous`),
which takes a fraction of a millisecond. Deleted bytes are overwritten (`secure_delete`). One connection, whose use is
serialised; a transaction is a `with database.transaction()`.
"""

from __future__ import annotations

import contextlib
import getpass
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from visage.people.errors import GalleryBroken
from visage.people.names import folded
from visage.storage.transaction import transaction

__all__ = ["Database", "Row", "Value"]

Value: TypeAlias = "int | float | str | bytes | None"
Row: TypeAlias = sqlite3.Row

BUSY_SECONDS = 10.0
SCHEMA_VERSION = 4
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE people (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, created_at REAL NOT NULL);
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY AUTOINCREMENT, person_id INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
    origin TEXT NOT NULL, digest TEXT NOT NULL, quality REAL NOT NULL, added_at REAL NOT NULL,
    embedding BLOB NOT NULL, crop BLOB);
CREATE INDEX pictures_of ON pictures (person_id);
CREATE TABLE unknowns (
    id INTEGER PRIMARY KEY AUTOINCREMENT, centroid BLOB NOT NULL, weight REAL NOT NULL,
    is_settled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE sightings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, uri TEXT NOT NULL, track_id INTEGER NOT NULL,
    started_at REAL NOT NULL, start_seconds REAL NOT NULL, end_seconds REAL NOT NULL, frames INTEGER NOT NULL,
    best_frame INTEGER NOT NULL, best_seconds REAL NOT NULL, quality REAL NOT NULL,
    person_id INTEGER REFERENCES people, unknown_id INTEGER REFERENCES unknowns, similarity REAL,
    embedding BLOB, crop BLOB, is_indexed INTEGER NOT NULL DEFAULT 0, is_live INTEGER NOT NULL DEFAULT 0,
    is_still INTEGER NOT NULL DEFAULT 0, session REAL);
CREATE INDEX sightings_together ON sightings (uri, started_at);
CREATE INDEX sightings_of_person ON sightings (person_id, started_at, start_seconds, end_seconds);
CREATE INDEX sightings_of_unknown ON sightings (unknown_id);
CREATE INDEX pictures_with_crop ON pictures (person_id) WHERE crop IS NOT NULL;
CREATE INDEX person_with_crop ON sightings (person_id) WHERE crop IS NOT NULL;
CREATE INDEX unknown_with_crop ON sightings (unknown_id) WHERE crop IS NOT NULL;
CREATE INDEX sightings_at ON sightings (started_at);
CREATE INDEX sightings_indexed ON sightings (id) WHERE is_indexed = 1 AND embedding IS NOT NULL;
CREATE INDEX sightings_waiting ON sightings (id) WHERE is_indexed = 0 AND embedding IS NOT NULL;
CREATE TABLE unindex (sighting_id INTEGER PRIMARY KEY);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    subject TEXT NOT NULL, detail TEXT NOT NULL);
"""
FROM_VERSION_1 = """
ALTER TABLE sightings ADD COLUMN is_live INTEGER NOT NULL DEFAULT 0;
UPDATE sightings SET is_live = 1 WHERE uri GLOB '/dev/*'
    OR substr(uri, 1, instr(uri, '://') - 1) IN ('rtmp', 'rtmps', 'rtp', 'rtsp', 'rtsps', 'srt', 'udp');
"""
"""Cameras told by their addresses, as far as these tell."""

FROM_VERSION_2 = """
DROP INDEX IF EXISTS sightings_of_person;
CREATE INDEX sightings_of_person ON sightings (person_id, started_at, start_seconds, end_seconds);
CREATE INDEX pictures_with_crop ON pictures (person_id) WHERE crop IS NOT NULL;
CREATE INDEX person_with_crop ON sightings (person_id) WHERE crop IS NOT NULL;
CREATE INDEX unknown_with_crop ON sightings (unknown_id) WHERE crop IS NOT NULL;
"""
"""The list of people reads indexes alone: when each was seen, and whether there is a crop."""

FROM_VERSION_3 = """
ALTER TABLE unknowns ADD COLUMN is_settled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sightings ADD COLUMN is_still INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sightings ADD COLUMN session REAL;
CREATE INDEX sightings_together ON sightings (uri, started_at);
"""
"""Unknowns that were split by hand stay apart; tracks of one session that overlap are different people."""

COLUMNS = {
    "analysed_at": "REAL",
    "time_origin": "TEXT",
    "box": "TEXT",
    "is_ignored": "INTEGER NOT NULL DEFAULT 0",
}
"""Of sightings whose `started_at` is the recording's: when they were analysed; where the best shot's face was, and
whether it is to be ignored. Older versions do without."""

CORRECTIONS = """
CREATE TABLE IF NOT EXISTS corrections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, at REAL NOT NULL, actor TEXT NOT NULL,
    person_id INTEGER REFERENCES people ON DELETE CASCADE, pair INTEGER, part_of INTEGER,
    source TEXT NOT NULL, uri TEXT NOT NULL, content TEXT, seconds REAL NOT NULL, box TEXT, embedding BLOB,
    undone_at REAL, undone_by TEXT);
CREATE TABLE IF NOT EXISTS corrected (
    correction_id INTEGER NOT NULL REFERENCES corrections ON DELETE CASCADE,
    sighting_id INTEGER NOT NULL REFERENCES sightings ON DELETE CASCADE,
    was_person INTEGER, was_unknown INTEGER, was_similarity REAL, was_ignored INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (correction_id, sighting_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS corrected_sighting ON corrected (sighting_id);
CREATE INDEX IF NOT EXISTS corrections_of ON corrections (person_id);
CREATE INDEX IF NOT EXISTS corrections_holding ON corrections (uri, seconds) WHERE undone_at IS NULL
"""
"""What people said about sightings; which rows show them at present, and what these were before."""

INDEXES = """
DROP INDEX IF EXISTS sightings_of_unknown;
CREATE INDEX IF NOT EXISTS unknowns_seen ON sightings
    (unknown_id, started_at, start_seconds, end_seconds, source) WHERE unknown_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS unknowns_in_stills ON sightings (unknown_id) WHERE is_still AND unknown_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS sightings_of_source ON sightings (source, started_at)
"""
"""For lists of unknowns and of a camera's sightings. Older versions do without them, so they are no new version."""

CHANGES = {
    0: SCHEMA,
    1: FROM_VERSION_1 + FROM_VERSION_2 + FROM_VERSION_3,
    2: FROM_VERSION_2 + FROM_VERSION_3,
    3: FROM_VERSION_3,
}
"""What brings a file of a version to the newest; 0 is a new file."""


class Database:
    """One open file, which it owns. Safe from any thread; methods raise sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises GalleryBroken."""
        self._path = path
        self._lock = threading.RLock()
        self._depth = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.ExitStack() as unfinished:
                self._connection = sqlite3.connect(
                    path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                unfinished.callback(self._connection.close)
                self._connection.row_factory = sqlite3.Row
                self._connection.create_function("folded", 1, folded, deterministic=True)
                for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                    self._connection.execute(f"PRAGMA {pragma}")
                with self.transaction():
                    self._make_tables()
                unfinished.pop_all()
        except GalleryBroken:  # an OSError as well
            raise
        except (sqlite3.Error, OSError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else exc
            raise GalleryBroken(f"{path.parent}: can't be opened as a gallery ({reason})") from exc

    def __repr__(self) -> str:
        return f"<Database {self._path}>"

    def rows(self, query: str, values: Sequence[Value] = ()) -> list[Row]:
        """Return all rows of a query. Raises sqlite3.Error."""
        with self._lock:
            return self._connection.execute(query, _bound(values)).fetchall()

    def row(self, query: str, values: Sequence[Value] = ()) -> Row | None:
        """Return the first row of a query, or None. Raises sqlite3.Error."""
        with self._lock:
            found: Row | None = self._connection.execute(query, _bound(values)).fetchone()
            return found

    def write(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Execute a statement; returns an INSERT's row id, or how many rows an UPDATE or DELETE changed.

        Raises sqlite3.Error.
        """
        with self._lock:
            cursor = self._connection.execute(statement, _bound(values))
            return int(cursor.lastrowid or 0) if statement.lstrip().startswith("INSERT") else cursor.rowcount

    def write_many(self, statement: str, values: Sequence[Sequence[Value]]) -> None:
        """Execute the same statement for many values. Raises sqlite3.Error."""
        with self._lock:
            self._connection.executemany(statement, map(_bound, values))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that is written within, or nothing if an error is raised; may be nested."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth > 1:
                    yield
                    return
                with transaction(self._connection):
                    yield
            finally:
                self._depth -= 1

    def version(self) -> tuple[int, int] | None:
        """Changes with every change of the file, by this process or another one: what a copy in memory is of.

        Returns None within a transaction, whose changes may still be rolled back.
        """
        with self._lock:
            if self._connection.in_transaction:
                return None
            others = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            return others, self._connection.total_changes

    def meta(self, key: str) -> Value:
        """A setting of the gallery; None where it was never set."""
        row = self.row("SELECT value FROM meta WHERE key = ?", [key])
        value: Value = None if row is None else row["value"]
        return value

    def set_meta(self, key: str, value: Value) -> None:
        """Set a setting of the gallery."""
        self.write(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", [key, value]
        )

    def people_changed(self) -> None:
        """Have everyone who identifies, in this process and others, load the people again.

        The revision is a random number that never returns, even after a transaction that was rolled back.
        """
        self.set_meta("revision", secrets.randbits(62))

    def audit(self, action: str, subject: str, detail: str = "") -> None:
        """Add an entry to the audit log, with the present user. Names of people must not be in it."""
        self.write(
            "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
            [time.time(), _actor(), action, subject, detail],
        )

    def user(self) -> str:
        """Return the present user's name, "unknown" where it has none."""
        return _actor()

    def truncate_log(self) -> None:
        """Empty the write-ahead log, which may still hold deleted data. Raises sqlite3.Error."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; any later query raises sqlite3.ProgrammingError."""
        with self._lock:
            self._connection.close()

    def _make_tables(self) -> None:
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise GalleryBroken(f"{self._path}: made by a newer Visage (version {version}); update this one")
        if version < SCHEMA_VERSION:
            for statement in CHANGES[version].split(";"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        present = {row["name"] for row in self._connection.execute("PRAGMA table_info(sightings)")}
        for name, kind in COLUMNS.items():
            if name not in present:
                self._connection.execute(f"ALTER TABLE sightings ADD COLUMN {name} {kind}")
        for statement in f"{INDEXES};{CORRECTIONS}".split(";"):
            self._connection.execute(statement)


def _bound(values: Sequence[Value]) -> list[Value]:
    """SQLite refuses text that is not UTF-8, as names of files may be: such a byte is spelled out, as \\udcff."""
    return [value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value for value in values]


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry for this user id, as in some containers
        return "unknown"
