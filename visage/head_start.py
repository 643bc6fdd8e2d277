"""Worker processes that are started before their task is known.

A worker imports for more than a second before it can take a task, and so does the process that is to give it one. With
a head start both do so at once. Light to import; what is not needed is ended by `close`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

__all__ = ["HeadStart", "Started", "likely_workers"]

ENTRY = "visage.assembly.worker_main"

DRIVER = Path("/dev/nvidiactl")
MAX_WORKERS = 8
CORES_A_WORKER = 2


@dataclass(frozen=True, slots=True)
class Started:
    """A worker process that waits for its task, and the owner's end of the connection to it."""

    process: subprocess.Popen[bytes]
    connection: Connection


class HeadStart:
    """Owns the processes that have not been taken. A context manager."""

    def __init__(self, count: int = 0, *, entry: str = ENTRY) -> None:
        self._entry = entry
        self._waiting = [_start(entry, warms_up=True) for _ in range(count)]

    def __repr__(self) -> str:
        return f"<HeadStart {len(self._waiting)} waiting>"

    def __len__(self) -> int:
        return len(self._waiting)

    def launch(self) -> Started:
        """Return a process that waits for its task, or start one if none is left. The caller owns it from now on."""
        return self._waiting.pop(0) if self._waiting else _start(self._entry)

    def close(self) -> None:
        """Kill the processes that were not taken, waiting at most 5 seconds for each. Idempotent."""
        for started in self._waiting:
            started.process.kill()
        for started in self._waiting:
            started.connection.close()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is stuck in a driver
                started.process.wait(timeout=5.0)
        self._waiting.clear()

    def __enter__(self) -> HeadStart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def likely_workers(arguments: Sequence[str], settings: Mapping[str, object], *, driver: Path = DRIVER) -> int:
    """Guess how many workers these sources are going to need, without a look at what they are.

    None without NVIDIA's driver, or where the settings (as flags, None where not given) ask for the processors: there
    one process does it all.
    """
    wished = [settings.get(name) or os.environ.get(f"VISAGE_{name.upper()}") for name in ("device", "backend")]
    if not driver.exists() or {"cpu", "openvino", "onnxruntime"}.intersection(map(str, wished)):
        return 0
    entries = 0
    for argument in arguments:
        try:
            with os.scandir(argument) as folder:
                entries += sum(1 for _ in zip(folder, range(MAX_WORKERS), strict=False))
        except OSError:
            entries += 1  # a file, an address, a pattern
    return min(entries, MAX_WORKERS, max(1, len(os.sched_getaffinity(0)) // CORES_A_WORKER))


def _start(entry: str, *, warms_up: bool = False) -> Started:
    """Start a process that serves its owner.

    Args:
        entry: the module whose `main` serves the socket whose number is its argument.
        warms_up: it loads what a card needs before it has a task.
    """
    connection, theirs = multiprocessing.Pipe()
    descriptor = theirs.fileno()
    # It is to find the modules that this process has found, and none that happen to lie in the current folder.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    code = f"import sys; sys.path[:] = filter(None, sys.path); from {entry} import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(descriptor), *(["warm"] if warms_up else [])],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C is the owner's to hear, from the first moment on
    )
    theirs.close()
    return Started(process, connection)
