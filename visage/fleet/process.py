"""One worker process as its owner sees it: started, told what to do, heard until it ends, and ended if it does not."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable

from visage.fleet.job import Command, Failed, Job, Report, Stopped
from visage.runtime.errors import RuntimeFailure

__all__ = ["EXIT_SECONDS", "WorkerLost", "WorkerProcess"]

EXIT_SECONDS = 5.0
"""Longest wait for a worker to leave that has nothing more to say or was told to drop everything. It is killed then:
its memory and its share of a card are the system's to free, and all that is to last is written by its owner."""


class WorkerLost(RuntimeFailure):
    """A worker process ended without being told to; says how."""


class WorkerProcess:
    """Owns the process, the connection to it and the thread that listens."""

    def __init__(
        self,
        name: str,
        job: Job,
        *,
        entry: str,
        on_report: Callable[[WorkerProcess, Report], None],
        on_gone: Callable[[WorkerProcess, Exception | None], None],
    ) -> None:
        """
        Args:
            name: for people and for the listening thread.
            entry: the module to run: it serves the socket whose number is its argument, with a `Worker`.
            on_report: told of every message, on the listening thread; while it waits, so does the worker.
            on_gone: told once, on the same thread, that nothing more will come: an error if the worker said so or ended
                without being told to.
        """
        self.name = name
        self._job = job
        self._entry = entry
        self._on_report = on_report
        self._on_gone = on_gone
        self._connection, self._theirs = multiprocessing.Pipe()
        self._sending = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._error: Exception | None = None
        self._may_end = False
        self._thread = threading.Thread(target=self._listen, name=name)

    def __repr__(self) -> str:
        state = "not started" if self._process is None else f"process {self._process.pid}"
        return f"<WorkerProcess {self.name}, {state}>"

    @property
    def process_id(self) -> int | None:
        """None before the start."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; it loads its networks and then reports `Ready`."""
        descriptor = self._theirs.fileno()
        # It is to find the modules that this process has found.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._entry, str(descriptor)],
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        self._theirs.close()
        self._connection.send(self._job)
        self._thread.start()

    def tell(self, command: Command) -> None:
        """Send a command; one that has gone does not hear it, and `on_gone` has told or will."""
        with self._sending, contextlib.suppress(OSError):
            self._connection.send(command)

    def let_go(self) -> None:
        """From now on its end is no failure."""
        self._may_end = True

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the process and the thread to end; kill the process after that. Says whether both have ended."""
        if self._process is None:
            return True
        self._thread.join(timeout_seconds)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(EXIT_SECONDS)
        self._thread.join(EXIT_SECONDS)
        return not self._thread.is_alive()

    def _listen(self) -> None:
        try:
            while True:
                report: Report = self._connection.recv()
                if isinstance(report, logging.LogRecord):
                    logging.getLogger(report.name).handle(report)
                    continue
                if isinstance(report, Failed):
                    self._error = report.error
                elif isinstance(report, Stopped):
                    self._may_end = True
                    break
                self._on_report(self, report)
        except (EOFError, OSError):
            pass
        finally:
            self._connection.close()
            self._on_gone(self, self._reap())

    def _reap(self) -> Exception | None:
        process = self._process
        assert process is not None
        try:
            status = process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait(EXIT_SECONDS)
        if self._error is not None or self._may_end:
            return self._error
        how = f"was ended by signal {-status}" if status < 0 else f"ended with code {status}"
        return WorkerLost(f"the process {self.name} {how}; what it had found is kept, run these videos again")
