"""A file that gets one line an event. Full, it becomes `NAME.1`, and the one of that name before it goes.

A line is written whole and at once, so that whoever follows the file never reads half of one. A disk that is full costs
events here, which is told when it begins and, with their number, when it ends; never the pipeline. A file that somebody
has moved away, as logrotate does, is made anew. What is no file, such as /dev/stdout, is only written to.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
from pathlib import Path

__all__ = ["Journal"]

MAX_BYTES = 256 << 20

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

    def close(self) -> None:
        """Bring it to disk and close it."""
        with self._lock:
            try:
                if stat.S_ISREG(os.fstat(self._descriptor).st_mode):  # a pipe or a terminal is on no disk
                    os.fsync(self._descriptor)
            except OSError as error:
                logger.error("%s: the last events may be lost: %s", self._path, error.strerror)
            os.close(self._descriptor)

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _reopen(self) -> None:
        """Raises OSError, and the next event tries again."""
        former, self._descriptor = self._descriptor, self._open()
        os.close(former)

    def _is_elsewhere(self) -> bool:
        """Somebody has moved the file away, or it was turned over and the new one could not be opened."""
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
