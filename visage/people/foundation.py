"""Makes a gallery's database whole beside its place, then puts it there: a failure leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from visage.people.database import Database
from visage.people.errors import GalleryBroken

__all__ = ["open_bound"]

T = TypeVar("T")


def open_bound(path: Path, bind: Callable[[Database], T]) -> tuple[Database, T]:
    """The gallery's database, made first if it is not there, and what `bind` answers for it.

    Args:
        bind: compares what the gallery belongs to with what the caller wants, or writes it into a new one.

    Raises what `bind` raises; GalleryBroken where the database can't be opened or made, such as on a full disk.
    """
    if not os.path.exists(path):
        _make(path, bind)
    database = Database(path)
    try:
        return database, bind(database)
    except BaseException:
        database.close()
        raise


def _make(path: Path, bind: Callable[[Database], object]) -> None:
    folder = path.parent
    missing = [parent for parent in (folder, *folder.parents) if not os.path.exists(parent)]
    draft = folder / f".{path.name}-{uuid.uuid4().hex}"
    try:
        with contextlib.closing(Database(draft)) as database:
            bind(database)
            database.truncate_log()  # what the log holds would stay behind
        _put(draft, path)
    except BaseException as exc:
        _remove(draft)
        for parent in missing:
            with contextlib.suppress(OSError):  # others may have put something there by now
                parent.rmdir()
        if isinstance(exc, sqlite3.Error):
            raise GalleryBroken(f"{folder}: can't be used as a gallery ({exc})") from exc
        raise
    _remove(draft)


def _put(draft: Path, path: Path) -> None:
    """Give it its name, if nothing has that. Another process may already be writing into what has."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    except OSError:  # no hard links, as on memory sticks
        try:
            if not path.exists():
                draft.replace(path)
        except OSError as exc:
            raise GalleryBroken(f"{path.parent}: can't be used as a gallery ({exc.strerror})") from exc


def _remove(draft: Path) -> None:
    for path in (draft, *(draft.with_name(draft.name + suffix) for suffix in ("-wal", "-shm", "-journal"))):
        path.unlink(missing_ok=True)
