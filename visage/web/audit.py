"""Who looked at, changed and forgot what: one JSON object a line, appended, readable by its owner alone.

Entries have people by id, so that no name is left of a forgotten person, and hold no address, picture or token.
When the file has reached its size it becomes `.1` in place of an older one, so the log is bounded. If it can't be
written the request fails: what must be accounted for does not happen unaccounted. A line that a full disk cut short is
taken back; where that is not possible either, such as after a crash, the next entry begins a line of its own, and
readers leave the half out.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import deque
from datetime import datetime, timezone
from pathlib import Path

from visage.web.errors import Unavailable

__all__ = ["AuditLog"]

MAX_BYTES = 32 << 20


class AuditLog:
    """Appends to one file. Safe from any thread."""

    def __init__(self, path: Path, *, most_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def record(self, *, who: str, client: str, action: str, subject: str, outcome: str) -> None:
        """Append an entry. Raises Unavailable where that fails."""
        entry = {
            "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            **{"who": who, "client": client, "action": action, "subject": subject, "outcome": outcome},
        }
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        try:
            with self._lock:
                self._append(line.encode())
        except OSError as exc:
            raise Unavailable(f"the audit log can't be written ({exc.strerror}), so nothing was done") from exc

    def latest(self, limit: int) -> list[dict[str, str]]:
        """The newest entries, newest first. Raises Unavailable."""
        try:
            with self._lock, open(self.path, "rb") as file:
                entries = deque(filter(None, map(_entry, file)), maxlen=limit)
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise Unavailable(f"the audit log can't be read ({exc.strerror})") from exc
        return list(reversed(entries))

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            begin = os.fstat(descriptor).st_size
            if begin and os.pread(descriptor, 1, begin - 1) != b"\n":
                line = b"\n" + line
            _write_all(descriptor, line, begin)
            is_full = begin + len(line) >= self._most_bytes
        finally:
            os.close(descriptor)
        if is_full:
            os.replace(self.path, f"{self.path}.1")


def _write_all(descriptor: int, line: bytes, begin: int) -> None:
    """Append a whole line, or nothing. Raises OSError."""
    written = 0
    try:
        while written < len(line):
            written += os.write(descriptor, line[written:])
    except OSError:
        with contextlib.suppress(OSError):  # then the next entry ends the half line
            os.ftruncate(descriptor, begin)
        raise


def _entry(line: bytes) -> dict[str, str] | None:
    """An entry of the file; None for what a crash left of one."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
