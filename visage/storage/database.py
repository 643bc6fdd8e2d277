"""Opening an SQLite file for bookkeeping: durable after every transaction, shared by the threads of one process."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

__all__ = ["open_database"]

BUSY_SECONDS = 10.0
"""Longest wait for another process that holds the file."""


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Open the file, or make it with the folders above it, and run the schema's statements.

    The connection is in autocommit mode with a write-ahead log. The caller closes it, and serialises its use.

    Raises:
        OSError, sqlite3.Error: the file can't be opened; nothing is left open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as on_failure:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
        on_failure.callback(connection.close)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(schema)
        on_failure.pop_all()
    return connection
