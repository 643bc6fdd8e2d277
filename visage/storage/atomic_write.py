"""A file that is there whole or not at all: written beside its place, brought to disk, renamed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

__all__ = ["atomic_write"]

OWNER_ONLY = 0o600


def atomic_write(path: Path, content: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Write or replace a file; its folder is made. Raises OSError, and then what was there still is.

    Args:
        mode: permissions of the file, less what the process's umask takes; its owner's alone by default.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of this thread's own: others may be writing the same file, and the last one to rename wins.
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_native_id()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
