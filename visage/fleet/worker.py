"""The inside of a worker process: a pipeline that takes each source from its decoder to its published outputs.

Threads besides the pipeline's: one listens to the owner, the main one obeys, one sends what the owner is to have, one
reports now and then how far everything is. When the owner is gone, however it ended, the worker drops everything and
ends too: unfinished outputs are discarded.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import pickle
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Protocol, TypeAlias

from stages.contract import FrameSource
from stages.frames import Observation
from stages.identify.roster import KnownPeople
from stages.sink.base import Sink
from stages.sources import SourceEnded, SourceStarted, VideoInfo
from visage.config.sources import SourceSpec
from visage.fleet.forwarder import pass_logs_on
from visage.fleet.messages import (
    Add,
    Built,
    Command,
    Failed,
    Interrupt,
    Ready,
    Report,
    Stop,
    StopMode,
    Stopped,
    Task,
)
from visage.fleet.recording import RemoteRecorder
from visage.fleet.shared_roster import RosterMessage, SharedRoster
from visage.fleet.wire import ItemBatch, WireItem
from visage.models.engines import OnBuild
from visage.runtime.errors import QueueAborted, QueueClosed
from visage.runtime.inboxes import OverflowPolicy
from visage.runtime.job import JobOutputs, JobPlace, Pictures
from visage.runtime.pipeline import Pipeline
from visage.runtime.queue import BoundedQueue
from visage.runtime.source import Outcome
from visage.runtime.state import SourceState

__all__ = ["Assemble", "Assembly", "OpenJobSinks", "Worker"]

AHEAD = 256
"""Items that may wait to be sent."""

PARCEL = 64
"""Most items of one message."""

REPORT_SECONDS = 0.2

HANG_SECONDS = 4.0
"""After an abort; whoever looks for bugs is then told where every thread is. The owner waits a second longer."""

_ABORT = Stop(StopMode.ABORT)


class Worker:
    """Serves one owner through one connection, then ends."""

    def __init__(self, connection: Connection, assemble: Assemble) -> None:
        """`assemble` makes the pipeline that the task asks for; what it raises is the owner's to hear."""
        self._connection = connection
        self._assemble = assemble
        self._sending = threading.Lock()
        self._outbox: BoundedQueue[WireItem] = BoundedQueue(AHEAD)
        self._people: SharedRoster | None = None
        self._again: set[str] = set()
        self._outputs: dict[str, Sequence[JobOutputs]] = {}  # of sources that have their own
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._is_ready = threading.Event()
        self._has_stopped = threading.Event()

    def run(self) -> None:
        """Take the task, do it, return when the owner wants no more."""
        try:
            task: Task = self._connection.recv()
        except (EOFError, OSError):  # it has changed its mind
            return
        pass_logs_on(self._send, task.log_level)
        if task.naming is not None:
            self._people = SharedRoster(*task.naming)
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        try:
            assembly = self._assemble(
                task,
                open_sinks=lambda info, pictures: self._open_sinks(task, info, pictures),
                people=self._people,
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
            self._is_ready.set()
            self._send(Ready())
            try:
                self._obey(assembly, tells_of_hangs=task.log_level <= logging.DEBUG)
            finally:
                self._has_stopped.set()
                self._outbox.abort()
                pipeline.abort()

    def _open_sinks(self, task: Task, info: VideoInfo, pictures: Pictures) -> list[Sink]:
        recorder = RemoteRecorder(lambda report: self._outbox.put([report]))
        place = JobPlace(pictures, recorder, again=info.source_id in self._again)
        own = self._outputs.pop(info.source_id, task.outputs)
        sinks = [sink for outputs in own for sink in outputs.sinks_for(info, place)]
        return [*sinks, _WayBack(self._outbox, sends_frames=task.sends_frames)]

    def _listen(self) -> None:
        """Until the owner closes its end. Networks take minutes to build: who is not wanted any more leaves at once."""
        command: Command | None = None
        while True:
            try:
                command = self._connection.recv()
                if isinstance(command, RosterMessage):
                    assert self._people is not None
                    self._people.receive(command, self._connection)
                    continue
            except (EOFError, OSError):
                command = None
            if command in (None, _ABORT) and not self._is_ready.is_set():
                os._exit(0)
            self._commands.put(command)
            if command is None:
                return

    def _obey(self, assembly: Assembly, *, tells_of_hangs: bool) -> None:
        pipeline = assembly.pipeline
        while (command := self._commands.get()) is not None:
            if isinstance(command, Add):
                spec = command.spec
                if command.again:
                    self._again.add(spec.source_id)
                if command.outputs is not None:
                    self._outputs[spec.source_id] = command.outputs
                policy = OverflowPolicy.DROP_OLDEST if spec.is_live else OverflowPolicy.WAIT
                with contextlib.suppress(QueueClosed):  # it is stopping, and says so itself
                    pipeline.add(spec.source_id, assembly.frame_source(spec), policy)
            elif isinstance(command, Interrupt):
                with contextlib.suppress(KeyError):
                    pipeline.interrupt(command.source_id)
            elif isinstance(command, RosterMessage):
                raise AssertionError("the listener takes these")
            elif command.mode is StopMode.FINISH:
                pipeline.finish()
            elif command.mode is StopMode.DRAIN:
                pipeline.drain()
            else:
                if tells_of_hangs:
                    faulthandler.dump_traceback_later(HANG_SECONDS)
                pipeline.abort()

    def _end(self, outcome: Outcome) -> None:
        error = outcome.error
        if error is not None:
            error = _portable(error if isinstance(error, Exception) else RuntimeError(str(error)))
        is_interrupted = outcome.state is SourceState.INTERRUPTED
        with contextlib.suppress(QueueAborted, QueueClosed):
            self._outbox.put([SourceEnded(outcome.source_id, outcome.frames_decoded, error, is_interrupted)])

    def _send_items(self, pipeline: Pipeline) -> None:
        try:
            while True:
                items = self._outbox.get_batch(PARCEL)
                ended = [item.source_id for item in items if isinstance(item, SourceEnded)]
                if ended:  # its last counts come before its end
                    self._send(pipeline.statistics())
                self._send(ItemBatch.of(items))
                for source_id in ended:
                    pipeline.forget(source_id)  # a worker may read thousands
        except QueueClosed:
            self._send(pipeline.statistics())
            if pipeline.failure is not None:
                self._send(Failed(_portable(pipeline.failure)))
            self._send(Stopped())
        except QueueAborted:
            pass
        except Exception as error:  # the thread's edge: nobody would empty the outbox any more
            self._send(Failed(_portable(error)))
            self._outbox.abort()
            pipeline.abort()
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


@dataclass(frozen=True, slots=True)
class Assembly:
    """A pipeline without sources, and a function that opens sources for it. The worker closes the pipeline."""

    pipeline: Pipeline
    frame_source: Callable[[SourceSpec], FrameSource]


OpenJobSinks: TypeAlias = Callable[[VideoInfo, Pictures], Sequence[Sink]]


class Assemble(Protocol):
    """Makes the pipeline of a task, with the task's settings; `visage.assembly.worker_main` has the implementation."""

    def __call__(
        self,
        task: Task,
        *,
        open_sinks: OpenJobSinks,
        people: KnownPeople | None,
        on_ended: Callable[[Outcome], None],
        on_build: OnBuild,
    ) -> Assembly: ...


class _WayBack(Sink):
    """Sends the start of a source, and its frames where they are wanted; the end is sent when it is settled."""

    def __init__(self, outbox: BoundedQueue[WireItem], *, sends_frames: bool) -> None:
        self._outbox = outbox
        self._sends_frames = sends_frames

    def open(self, info: VideoInfo) -> None:
        self._outbox.put([SourceStarted(info)])

    def write(self, observation: Observation) -> None:
        if self._sends_frames:
            self._outbox.put([observation])


def _portable(error: Exception) -> Exception:
    """The error, or where it can't be pickled one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(str(error))
    return error
