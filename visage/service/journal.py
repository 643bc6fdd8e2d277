"""A file that gets one line an event. Full, it becomes `NAME.1`, and the one of that name before it goes.

A line is written whole and at once, so that whoever follows the file never reads half of one. A disk that is full costs
events here, which is told when it begins and, with their number, when it ends; never the pipeline.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path

__all__ = ["Journal"]

MOST_BYTES = 256 << 20

logger = logging.getLogger(__name__)


class Journal:
    """Appends lines; safe from any thread."""

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        """Raises OSError where it can't be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
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
                if os.fstat(self._descriptor).st_size + len(data) > self._most_bytes:
                    self._turn_over()
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
            os.fsync(self._descriptor)
            os.close(self._descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _append(self, data: bytes) -> None:
        """All of it or, where the disk fills on the way, none."""
        length = os.fstat(self._descriptor).st_size
        if os.write(self._descriptor, data) < len(data):
            os.ftruncate(self._descriptor, length)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _turn_over(self) -> None:
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        full, self._descriptor = self._descriptor, self._open()
        os.close(full)
