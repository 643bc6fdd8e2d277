"""One process at a time in a folder, by `flock` on a file in it.

The lock goes with the process that holds it, however it ends; the empty file stays, because removing it would let two
processes lock different files of the same name. Network file systems without `flock` report an OSError.

The filelock package was weighed: it would replace this function alone (`stages.sink.staged` locks the file that it
writes, which filelock can't), for one more dependency.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["file_lock"]

POLL_SECONDS = 0.05  # flock has no time-out of its own


@contextmanager
def file_lock(path: Path, *, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock for the `with` block; wait for another holder at most this long. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_seconds
    with path.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"another process has held {path} for {timeout_seconds:g} s") from None
            time.sleep(POLL_SECONDS)
        yield  # closing the file gives the lock back
