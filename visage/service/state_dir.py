"""A daemon's state folder: a lock, so that only one daemon uses it, and the mark of a crash.

`crash.txt` is written by Python's faulthandler when the process dies of its own fault (SIGSEGV, SIGABRT, SIGBUS,
SIGILL, SIGFPE). A process that was killed from outside, or lost its power, leaves it empty. The next start looks.
"""

from __future__ import annotations

import contextlib
import faulthandler
from pathlib import Path
from typing import TextIO

from visage.service.errors import StateInUse
from visage.storage.file_lock import file_lock

__all__ = ["StateDir"]

CRASH = "crash.txt"
LAST_CRASH = "last-crash.txt"


class StateDir:
    """Holds the folder until `close`."""

    def __init__(self, path: Path) -> None:
        """Raises StateInUse, OSError."""
        path.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.path = path
        self._lock = contextlib.ExitStack()
        try:
            self._lock.enter_context(file_lock(path / "lock", timeout_seconds=0))
        except TimeoutError as error:
            raise StateInUse(f"{path} is in use by another daemon; stop it or set another state_dir") from error
        self.crash = self._last_crash()
        """What the last process wrote when it died of its own fault; None if it did not."""
        self._mark: TextIO = (path / CRASH).open("w", encoding="utf-8")

    def watch_for_crash(self) -> None:
        """Write the traceback of a crash of this process (a fatal signal) into the folder from now on."""
        faulthandler.enable(self._mark)

    def close(self) -> None:
        """Release the lock and remove the mark, as this process has not crashed. To be called once."""
        faulthandler.disable()
        self._mark.close()
        with contextlib.suppress(OSError):
            (self.path / CRASH).unlink()
        self._lock.close()

    def _last_crash(self) -> str | None:
        mark = self.path / CRASH
        try:
            text = mark.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None
        if not text:
            return None
        mark.replace(self.path / LAST_CRASH)
        return text
