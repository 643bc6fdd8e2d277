"""Connections to SQLite that begin no transaction by themselves (`isolation_level=None`), and their transactions."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["opened", "transaction"]

BUSY_SECONDS = 10.0
"""Longest wait for another process's transaction."""


def opened(path: Path, schema: str) -> sqlite3.Connection:
    """A database whose writes survive a power cut, its tables made; for the caller to close.

    Raises sqlite3.Error, and then nothing stays open.
    """
    with contextlib.ExitStack() as unfinished:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
        unfinished.callback(database.close)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(schema)
        unfinished.pop_all()
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing of what is written within. Raises sqlite3.Error, and then it is nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite ends it itself where the disk is full
            database.execute("ROLLBACK")
        raise
