"""The inside of a worker process: a pipeline whose only sink is the way back to the process that started it.

Three threads besides the pipeline's: the main one obeys commands, one sends what has been found, one says now and then
how far everything is. When the owner is gone, however it ended, the worker drops everything and ends too.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Protocol

from stages.contract import FrameSource
from stages.frames import Observation
from stages.sources import SourceEnded, SourceStarted, VideoInfo
from visage.config.sources import SourceSpec
from visage.fleet.job import Add, Built, Command, Failed, Interrupt, Job, Ready, Report, StopMode, Stopped
from visage.fleet.wire import Parcel
from visage.models.engines import OnBuild
from visage.runtime.errors import QueueAborted, QueueClosed
from visage.runtime.inboxes import OverflowPolicy
from visage.runtime.pipeline import Pipeline
from visage.runtime.queue import BoundedQueue
from visage.runtime.sinks import OpenSinks, SinkItem
from visage.runtime.source import Outcome
from visage.runtime.state import SourceState

__all__ = ["Assemble", "Assembly", "Worker"]

AHEAD = 256
"""Items that may wait to be sent."""

PARCEL = 64
"""Most items of one message."""

REPORT_SECONDS = 0.2


class Worker:
    """Serves one owner through one connection, then ends."""

    def __init__(self, connection: Connection, assemble: Assemble) -> None:
        """`assemble` makes the pipeline that the job asks for; what it raises is the owner's to hear."""
        self._connection = connection
        self._assemble = assemble
        self._sending = threading.Lock()
        self._outbox: BoundedQueue[SinkItem] = BoundedQueue(AHEAD)
        self._has_stopped = threading.Event()

    def run(self) -> None:
        """Take the job, do it, return when the owner wants no more."""
        job: Job = self._connection.recv()
        self._pass_logs_on(job.log_level)
        try:
            assembly = self._assemble(
                job,
                open_sinks=lambda _: [_WayBack(self._outbox)],
                on_ended=self._end,
                on_build=lambda name, progress: self._send(Built(name, progress)),
            )
        except Exception as error:  # the process's edge: the owner decides what it means
            self._send(Failed(_portable(error)))
            return
        pipeline = assembly.pipeline
        pipeline.on_stopped(self._outbox.close)
        sender = threading.Thread(target=self._send_items, args=(pipeline,), name="sender")
        reporter = threading.Thread(target=self._report, args=(pipeline,), name="reporter")
        with pipeline:
            pipeline.start()
            sender.start()
            reporter.start()
            self._send(Ready())
            try:
                self._obey(assembly)
            finally:
                self._has_stopped.set()
                self._outbox.abort()
                pipeline.abort()

    def _obey(self, assembly: Assembly) -> None:
        """Until the owner closes its end."""
        pipeline = assembly.pipeline
        while True:
            try:
                command: Command = self._connection.recv()
            except (EOFError, OSError):
                return
            if isinstance(command, Add):
                spec = command.spec
                policy = OverflowPolicy.DROP_OLDEST if spec.is_live else OverflowPolicy.WAIT
                with contextlib.suppress(QueueClosed):  # it is stopping, and says so itself
                    pipeline.add(spec.source_id, assembly.frame_source(spec), policy)
            elif isinstance(command, Interrupt):
                with contextlib.suppress(KeyError):
                    pipeline.interrupt(command.source_id)
            elif command.mode is StopMode.FINISH:
                pipeline.finish()
            elif command.mode is StopMode.DRAIN:
                pipeline.drain()
            else:
                pipeline.abort()

    def _end(self, outcome: Outcome) -> None:
        error = outcome.error if outcome.error is None or isinstance(outcome.error, Exception) else None
        with contextlib.suppress(QueueAborted, QueueClosed):
            self._outbox.put(
                [
                    SourceEnded(
                        outcome.source_id,
                        outcome.frames_decoded,
                        error=None if error is None else _portable(error),
                        interrupted=outcome.state is SourceState.INTERRUPTED,
                    )
                ]
            )

    def _send_items(self, pipeline: Pipeline) -> None:
        try:
            while True:
                self._send(Parcel.of(self._outbox.get_batch(PARCEL)))
        except QueueClosed:
            pass
        except QueueAborted:
            return
        self._send(pipeline.statistics())
        if pipeline.failure is not None:
            self._send(Failed(_portable(pipeline.failure)))
        self._send(Stopped())

    def _report(self, pipeline: Pipeline) -> None:
        while not self._has_stopped.wait(REPORT_SECONDS):
            self._send(pipeline.statistics())

    def _send(self, report: Report) -> None:
        try:
            with self._sending:
                self._connection.send(report)
        except OSError:  # the owner has gone, which ends `_obey` too
            self._outbox.abort()

    def _pass_logs_on(self, level: int) -> None:
        root = logging.getLogger()
        root.handlers[:] = [_Forwarder(self._send)]
        root.setLevel(level)


@dataclass(frozen=True, slots=True)
class Assembly:
    """A pipeline without sources, and what makes sources for it."""

    pipeline: Pipeline
    frame_source: Callable[[SourceSpec], FrameSource]


class Assemble(Protocol):
    """Makes the pipeline of a job; `visage.assembly.worker` has the one there is."""

    def __call__(
        self, job: Job, *, open_sinks: OpenSinks, on_ended: Callable[[Outcome], None], on_build: OnBuild
    ) -> Assembly: ...


class _WayBack:
    """Implements `Sink` with a queue of what is to be sent."""

    wants_pixels = False

    def __init__(self, outbox: BoundedQueue[SinkItem]) -> None:
        self._outbox = outbox

    def open(self, info: VideoInfo) -> None:
        self._outbox.put([SourceStarted(info)])

    def write(self, observation: Observation) -> None:
        self._outbox.put([observation])

    def close(self, ended: SourceEnded) -> None:
        """The pipeline tells of it when it has settled the source."""

    def abandon(self) -> None:
        pass


class _Forwarder(logging.Handler):
    """Sends records to the owner, whose handlers they go to."""

    def __init__(self, send: Callable[[Report], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            record.msg, record.args = record.getMessage(), None
            if record.exc_info:
                record.exc_text = logging.Formatter().formatException(record.exc_info)
                record.exc_info = None
            self._send(record)
        except Exception:  # as every handler: a bad record must not stop who logs
            self.handleError(record)


def _portable(error: Exception) -> Exception:
    """The error, or where it can't be pickled one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(str(error))
    return error
