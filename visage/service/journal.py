"""A file with one line for each event. When full, it is renamed to `NAME.1`, which replaces the previous one.

People who were forgotten are unnamed in both files, which are replaced whole: whoever follows one opens it again, as
after it has turned over. A line is written whole and at once, so that whoever follows the file never reads half of
one. A disk that is full costs events here, which is told when it begins and, with their number, when it ends; never the
pipeline. A file that was moved away, as by logrotate, is created again. What is no file, such as /dev/stdout, is
only written to.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import stat
import threading
from collections.abc import Set
from pathlib import Path
from typing import IO

from visage.service.enrolled import without_forgotten

__all__ = ["Journal"]

MAX_BYTES = 256 << 20
NAMED = re.compile(rb'"person":\{"id":"(p\d+)"')

logger = logging.getLogger(__name__)


class Journal:
    """Appends lines; safe from any thread."""

    def __init__(self, path: Path, *, most_bytes: int = MAX_BYTES) -> None:
        """Raises OSError where it can't be written."""
        self._path = path
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._descriptor = self._open()
        self._lost = 0

    def write(self, line: str) -> None:
        """Append a line. Never raises."""
        data = line.encode() + b"\n"
        with self._lock:
            try:
                if self._is_elsewhere():
                    self._reopen()
                if os.fstat(self._descriptor).st_size + len(data) > self._most_bytes and self._is_own():
                    self._path.replace(self._path.with_name(self._path.name + ".1"))
                    self._reopen()
                self._append(data)
            except OSError as error:
                if not self._lost:
                    logger.error("%s: events are lost: %s", self._path, error.strerror)
                self._lost += 1
            else:
                if self._lost:
                    logger.warning("%s: can be written again; %d events were lost", self._path, self._lost)
                self._lost = 0

    def erase(self, known: Set[str]) -> int:
        """Unname everyone whose id is not among these, in this file and the one before it; how many lines that were.

        What stands in /dev is only written to. Raises OSError, and then some names may still be there.
        """
        if not self._is_own():
            return 0
        changed = self._erase_in(self._path.with_name(self._path.name + ".1"), known)
        return changed + self._erase_in(self._path, known)

    def close(self) -> None:
        """Write the file to disk and close it. A failed write is logged, not raised."""
        with self._lock:
            try:
                if stat.S_ISREG(os.fstat(self._descriptor).st_mode):  # a pipe or a terminal is on no disk
                    os.fsync(self._descriptor)
            except OSError as error:
                logger.error("%s: the last events may be lost: %s", self._path, error.strerror)
            os.close(self._descriptor)

    def _erase_in(self, path: Path, known: Set[str]) -> int:
        """The bulk of it while events are written; only what came meanwhile, under the lock."""
        draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            while True:
                with contextlib.ExitStack() as owned:
                    try:
                        source = owned.enter_context(path.open("rb"))
                    except FileNotFoundError:
                        return 0
                    target = owned.enter_context(
                        open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
                    )
                    changed = _copy(source, target, known)
                    with self._lock:
                        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(source.fileno())):
                            continue  # it was turned over, or moved away
                        changed += _copy(source, target, known)
                        if not changed:
                            return 0
                        os.fchmod(target.fileno(), stat.S_IMODE(os.fstat(source.fileno()).st_mode))
                        target.flush()
                        os.fsync(target.fileno())
                        draft.replace(path)
                        if self._is_elsewhere():
                            self._reopen()
                        return changed
        finally:
            draft.unlink(missing_ok=True)

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _reopen(self) -> None:
        """Raises OSError, and the next event tries again."""
        former, self._descriptor = self._descriptor, self._open()
        os.close(former)

    def _is_elsewhere(self) -> bool:
        """Return whether the file was moved away, or was rotated and the new one could not be opened."""
        try:
            return not os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return True

    def _is_own(self) -> bool:
        """Not /dev/stdout, which may lead to a file: to rename it would take it from the whole machine."""
        return not self._path.is_relative_to("/dev")

    def _append(self, data: bytes) -> None:
        """All of it or, where the disk fills on the way, none."""
        length = os.fstat(self._descriptor).st_size
        if os.write(self._descriptor, data) < len(data):
            os.ftruncate(self._descriptor, length)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _copy(source: IO[bytes], target: IO[bytes], known: Set[str]) -> int:
    """Copy the lines that are left, unnaming those who are not known; how many were."""
    changed = 0
    for line in source:
        named = NAMED.search(line)
        if named is not None and named[1].decode() not in known:
            unnamed = without_forgotten(line.decode(), known).encode()
            line, changed = unnamed.rstrip(b"\n") + b"\n", changed + 1  # noqa: PLW2901
        target.write(line)
    return changed


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
