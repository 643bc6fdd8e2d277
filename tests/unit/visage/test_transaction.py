"""All or nothing, also where SQLite itself gives up in the middle."""

from __future__ import annotations

import gc
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from visage.storage.transaction import opened, transaction


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "numbers.sqlite", isolation_level=None)
    connection.execute("CREATE TABLE numbers (number INTEGER, filler BLOB)")
    yield connection
    connection.close()


def numbers(database: sqlite3.Connection) -> list[int]:
    return [row[0] for row in database.execute("SELECT number FROM numbers ORDER BY number")]


def test_an_error_takes_back_what_was_written(database: sqlite3.Connection) -> None:
    with transaction(database):
        database.execute("INSERT INTO numbers VALUES (1, NULL)")
    with pytest.raises(ZeroDivisionError), transaction(database):
        database.executemany("INSERT INTO numbers VALUES (?, NULL)", ((6 // left,) for left in (2, 1, 0)))
    assert numbers(database) == [1]


def test_a_full_disk_is_told_as_what_it_is(database: sqlite3.Connection) -> None:
    """SQLite may end the transaction itself then: nothing is left to be rolled back."""
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute("PRAGMA cache_size = 1")
    database.execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(sqlite3.OperationalError, match="full"), transaction(database):
        database.executemany("INSERT INTO numbers VALUES (?, zeroblob(4000))", [(number,) for number in range(100)])
    database.execute("PRAGMA max_page_count = 1000")
    assert numbers(database) == []
    with transaction(database):
        database.execute("INSERT INTO numbers VALUES (3, NULL)")
    assert numbers(database) == [3]


def test_what_can_not_be_committed_is_taken_back(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("CREATE TABLE owners (id INTEGER PRIMARY KEY)")
    database.execute("CREATE TABLE owned (owner INTEGER REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), transaction(database):
        database.execute("INSERT INTO owned VALUES (7)")
    assert not database.in_transaction
    assert database.execute("SELECT COUNT(*) FROM owned").fetchone() == (0,)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="older Pythons don't warn of a connection that was left open")
def test_a_file_that_is_no_database_is_not_left_open(tmp_path: Path) -> None:
    path = tmp_path / "broken.sqlite"
    path.write_bytes(b"not a database, and long enough to be looked at" * 100)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(sqlite3.DatabaseError):
            opened(path, "CREATE TABLE numbers (number INTEGER)")
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
