"""One worker process as its owner sees it: started, commanded, listened to until it ends, and killed if it does not."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import threading
from collections.abc import Callable

from visage.fleet.messages import Command, Failed, Report, Stopped, Task
from visage.fleet.shared_roster import RosterSnapshot
from visage.head_start import Started
from visage.runtime.errors import RuntimeFailure

__all__ = ["EXIT_SECONDS", "WorkerLost", "WorkerProcess"]

EXIT_SECONDS = 5.0
"""Longest wait for a worker to leave that has nothing more to say or was told to drop everything. It is killed then:
its memory and its share of a card are the system's to free, and what it had not published is of no use."""

LEAVE_SECONDS = 20.0
"""The same for a worker that has said that it is done."""


class WorkerLost(RuntimeFailure):
    """Raised, or set as a source's error, when a worker process ended unexpectedly; the message says how."""


class WorkerProcess:
    """Owns the process, the connection to it and the thread that listens; `join` ends all three."""

    def __init__(
        self,
        name: str,
        task: Task,
        *,
        launch: Callable[[], Started],
        on_report: Callable[[WorkerProcess, Report], None],
        on_gone: Callable[[WorkerProcess, Exception | None], None],
    ) -> None:
        """
        Args:
            name: for people and for the listening thread.
            launch: starts the process, or gives one that waits for its task already.
            on_report: told of every message, on the listening thread; while it waits, so does the worker.
            on_gone: told once, on the same thread, that nothing more will come: an error if the worker said so or ended
                without being told to.
        """
        self.name = name
        self.task = task
        self._launch = launch
        self._on_report = on_report
        self._on_gone = on_gone
        self._started: Started | None = None
        self._sending = threading.Lock()
        self._error: Exception | None = None
        self._may_end = False
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=name)

    def __repr__(self) -> str:
        state = "not started" if self._started is None else f"process {self._started.process.pid}"
        return f"<WorkerProcess {self.name}, {state}>"

    @property
    def process_id(self) -> int | None:
        """The operating system's process id; None before `start`."""
        return None if self._started is None else self._started.process.pid

    def start(self) -> None:
        """Start the process; it loads its networks and then sends `Ready`. To be called once."""
        self._started = self._launch()
        self._sending.acquire()  # for the thread, which lets go when the task is sent: commands come after it
        self._thread.start()

    def tell(self, command: Command) -> None:
        """Send a command. A process that has gone gets none: nothing is raised, as `on_gone` reports it.

        Safe from any thread.
        """
        with self._sending, contextlib.suppress(OSError):
            self._there.connection.send(command)

    def share(self, people: RosterSnapshot) -> None:
        """Send the people that faces are compared with; the caller still owns the snapshot. See `tell`."""
        with self._sending, contextlib.suppress(OSError):
            people.send(self._there.connection)

    def let_go(self) -> None:
        """Expect its end, which from now on is no failure."""
        self._may_end = True

    def join(self, timeout_seconds: float) -> bool:
        """Wait `timeout_seconds` for its last message, then for its exit; kill it if either does not come.

        Returns whether process and thread have ended.
        """
        if self._started is None:
            return True
        process = self._started.process
        if self._has_ended.wait(timeout_seconds):
            self._thread.join(LEAVE_SECONDS + EXIT_SECONDS)
        if process.poll() is None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(EXIT_SECONDS)
        if self._thread.ident is not None:
            self._thread.join(EXIT_SECONDS)
        return not self._thread.is_alive() and process.poll() is not None

    @property
    def _there(self) -> Started:
        if self._started is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._started

    def _listen(self) -> None:
        try:
            with contextlib.suppress(OSError):  # it has ended already, and is not heard of below
                # Here: a long task waits until the process reads it, and other processes are to start meanwhile.
                self._there.connection.send(self.task)
            self._sending.release()
            while (report := self._next_report()) is not None:
                if isinstance(report, Stopped):
                    self._may_end = True
                    break
                if isinstance(report, logging.LogRecord):
                    logger = logging.getLogger(report.name)
                    if logger.isEnabledFor(report.levelno):
                        logger.handle(report)
                elif isinstance(report, Failed):
                    self._error = report.error
                else:
                    self._on_report(self, report)
        finally:
            self._has_ended.set()
            with self._sending:
                self._there.connection.close()
            self._on_gone(self, self._reap())

    def _next_report(self) -> Report | None:
        """None when the worker has gone."""
        try:
            report: Report = self._there.connection.recv()
        except (EOFError, OSError):
            return None
        return report

    def _reap(self) -> Exception | None:
        process = self._there.process
        try:
            # Who has said its last word is only freeing its card, which is better not cut short.
            status = process.wait(LEAVE_SECONDS if self._may_end else EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            try:
                status = process.wait(EXIT_SECONDS)
            except subprocess.TimeoutExpired:  # it is stuck in a driver
                status = -signal.SIGKILL
        if self._error is not None or self._may_end:
            return self._error
        how = f"was ended by signal {-status}" if status < 0 else f"ended with code {status}"
        return WorkerLost(f"the process {self.name} {how}")
