"""Sources spread over worker processes, with the sinks of all of them here.

    worker process  (decode ──> detect ──> embed) ──┐
    worker process  (decode ──> detect ──> embed) ──┼──> queue ──> [identify ──> queue] ──> sink thread
    worker process  (decode ──> detect ──> embed) ──┘

A worker gets its next source when it can begin with it, so a fast one does more. When one is lost, the sources that it
was reading fail with what came until then, and the others do the rest.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from stages.contract import Stage
from stages.frames import Observation
from stages.sources import SourceEnded
from visage.config.sources import SourceSpec
from visage.fleet.merge import merged_queues, merged_stages
from visage.fleet.messages import Built, Ready, Report, Stop, StopMode, Task
from visage.fleet.process import EXIT_SECONDS, WorkerLost, WorkerProcess
from visage.fleet.remote import RemoteSource
from visage.fleet.wire import ItemBatch, Unpacker
from visage.fleet.worker_pool import WorkerPool
from visage.models.engines import OnBuild
from visage.runtime.errors import QueueAborted, QueueClosed, StageFailed
from visage.runtime.queue import BoundedQueue
from visage.runtime.sinks import OpenSinks, SinkItem, SinkWorker
from visage.runtime.source import Outcome
from visage.runtime.state import PipelineState, SourceState, State
from visage.runtime.statistics import PipelineStatistics
from visage.runtime.worker import StageWorker

__all__ = ["Fleet"]

logger = logging.getLogger(__name__)

QUEUE_CAPACITY = 512
"""Observations without pixels, a kilobyte or two each, that may wait for the sinks."""

IDENTIFY_BATCH = 64
JOIN_SECONDS = 30.0


class Fleet:
    """Implements `visage.runtime.run.Run` over several processes. Made by `visage.assembly`; a context manager."""

    def __init__(
        self,
        tasks: Sequence[Task],
        sources: Sequence[SourceSpec],
        *,
        entry: str,
        open_sinks: OpenSinks,
        identify: Stage[Observation, Observation] | None = None,
        on_build: OnBuild | None = None,
    ) -> None:
        """
        Args:
            tasks: one a worker.
            entry: the module that a worker process runs.
            open_sinks: makes the sinks of a source, none of which may want pixels.
            identify: says who the faces are, where there is a gallery; closed with the fleet.
            on_build: told of the building of engines.
        """
        self._on_build = on_build
        self._state = State(PipelineState.NEW)
        self._sources = {spec.source_id: RemoteSource(spec) for spec in sources}
        self._crew = WorkerPool(sources)
        self._unpackers: dict[WorkerProcess, Unpacker] = {}
        for number, task in enumerate(tasks):
            name = f"worker-{number} on {task.settings.device}"
            process = WorkerProcess(name, task, entry=entry, on_report=self._hear, on_gone=self._lose)
            self._crew.add(process, task.concurrent)
            self._unpackers[process] = Unpacker()
        self._sink_errors: dict[str, BaseException] = {}
        self._failure: Exception | None = None
        self._stopped = threading.Event()
        self._on_stopped: list[Callable[[], None]] = []

        self._received: BoundedQueue[SinkItem] = BoundedQueue(QUEUE_CAPACITY)
        self._queues = {"sink": self._received}
        self._stages: list[StageWorker[Observation]] = []
        if identify is not None:
            self._queues = {"identify": self._received, "sink": BoundedQueue(QUEUE_CAPACITY)}
            self._stages = [
                StageWorker(
                    identify,
                    name="identify",
                    take=lambda: self._received.get_batch(IDENTIFY_BATCH),
                    output=self._queues["sink"],
                    on_failure=lambda failure: self._fail(failure, fed_by=[self._received]),
                )
            ]
        self._sink = SinkWorker(
            inlet=self._queues["sink"],
            open_sinks=open_sinks,
            on_frame=lambda item: self._sources[item.source_id].count(item),
            on_source_failed=self._fail_source,
            on_source_ended=self._settle,
            end_early=self._end_early,
            on_failure=lambda failure: self._fail(failure, fed_by=list(self._queues.values())),
            on_stopped=self._settle_the_rest,
        )

    def __repr__(self) -> str:
        return f"<Fleet {self._state.current.name}, {len(self._unpackers)} workers, {len(self._sources)} sources>"

    @property
    def failure(self) -> Exception | None:
        return self._failure

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {name: source.outcome for name, source in self._sources.items() if source.outcome is not None}

    @property
    def process_ids(self) -> list[int]:
        """Of the workers that have been started."""
        return [process.process_id for process in self._crew.processes if process.process_id is not None]

    def start(self) -> None:
        self._state.advance(PipelineState.RUNNING)
        for stage in self._stages:
            stage.start()
        self._sink.start()
        for process in self._crew.processes:
            process.start()
        self._finish_if_done()  # there may be no source at all

    def drain(self) -> None:
        if not self._state.advance_from(PipelineState.DRAINING, PipelineState.RUNNING):
            return
        for source_id in self._crew.stop(Stop(StopMode.DRAIN)):
            self._sources[source_id].settle(SourceState.INTERRUPTED)
        self._finish_if_done()

    def abort(self) -> None:
        if not self._state.advance_from(PipelineState.ABORTING, PipelineState.RUNNING, PipelineState.DRAINING):
            return
        self._stop_workers()
        for queue in self._queues.values():
            queue.abort()

    def on_stopped(self, callback: Callable[[], None]) -> None:
        self._on_stopped.append(callback)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        return self._stopped.wait(timeout_seconds)

    def close(self) -> None:
        if self._state.advance_from(PipelineState.STOPPED, PipelineState.NEW):
            for source in self._sources.values():
                source.settle(SourceState.INTERRUPTED)
            with contextlib.ExitStack() as closing:
                closing.callback(self._tell_stopped)
                for stage in self._stages:
                    closing.callback(stage.close_unstarted)
            return
        self.abort()
        now = time.monotonic()
        killed_at, given_up_at = now + EXIT_SECONDS, now + JOIN_SECONDS
        threads: list[StageWorker[Observation] | SinkWorker] = [*self._stages, self._sink]
        stuck = [
            *(process for process in self._crew.processes if not process.join(max(0.0, killed_at - time.monotonic()))),
            *(thread for thread in threads if not thread.join(max(0.0, given_up_at - time.monotonic()))),
        ]
        if stuck:
            raise RuntimeError(f"these did not stop: {stuck}")

    def statistics(self) -> PipelineStatistics:
        told = self._crew.statistics()
        return PipelineStatistics(
            state=self._state.current,
            sources=tuple(source.statistics() for source in self._sources.values()),
            stages=(*merged_stages(told), *(counted for stage in self._stages for counted in stage.statistics())),
            queues={**merged_queues(told), **{name: queue.statistics() for name, queue in self._queues.items()}},
        )

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hear(self, process: WorkerProcess, report: Report) -> None:
        if isinstance(report, ItemBatch):
            self._receive(process, report)
        elif isinstance(report, PipelineStatistics):
            self._crew.keep(process, report)
            for source in report.sources:
                self._sources[source.source_id].keep(source)
        elif isinstance(report, Ready):
            self._crew.mark_ready(process)
            self._give_out()
        elif isinstance(report, Built) and self._on_build is not None:
            self._on_build(report.name, report.progress)

    def _receive(self, process: WorkerProcess, parcel: ItemBatch) -> None:
        items = self._unpackers[process].unpack(parcel)
        ended = {item.source_id for item in items if isinstance(item, SourceEnded)}
        if any(isinstance(item, SourceEnded) and isinstance(item.error, StageFailed) for item in items):
            self._crew.retire(process)
        if ended:
            self._crew.mark_read(process, ended)
        with contextlib.suppress(QueueAborted, QueueClosed):  # it is stopping; the rest is of no use
            self._received.put(items)
        if ended:
            self._give_out()

    def _give_out(self) -> None:
        for source_id in self._crew.give_out():
            self._sources[source_id].begin()

    def _lose(self, process: WorkerProcess, error: Exception | None) -> None:
        """A worker has gone."""
        orphans, left = self._crew.lose(process)
        error = error or (WorkerLost(f"{process.name} left early") if orphans or left else None)
        if error is not None and self._state.current in (PipelineState.RUNNING, PipelineState.DRAINING):
            logger.warning("%s is lost: %s", process.name, error)
            if left:
                self._failure = self._failure or error
        ends = [SourceEnded(source_id, self._decoded(source_id), error=error) for source_id in (*orphans, *left)]
        with contextlib.suppress(QueueAborted, QueueClosed):
            self._received.put(ends)
        self._give_out()

    def _settle(self, ended: SourceEnded) -> None:
        error = self._sink_errors.pop(ended.source_id, None) or ended.error
        state = SourceState.FAILED if error else SourceState.INTERRUPTED if ended.interrupted else SourceState.DONE
        self._sources[ended.source_id].settle(state, error, ended.frames_decoded)
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if all(source.outcome is not None for source in self._sources.values()):
            self._stop_workers(StopMode.FINISH)
            self._received.close()

    def _fail_source(self, source_id: str, error: BaseException) -> None:
        self._sink_errors[source_id] = error
        self._crew.interrupt(source_id)

    def _fail(self, failure: StageFailed, *, fed_by: Sequence[BoundedQueue[SinkItem]]) -> None:
        """Stop, because a thread has failed. `fed_by`: the queues up to it; those after it are still worked off."""
        self._failure = self._failure or failure
        self._stop_workers()
        for queue in fed_by:
            queue.abort()

    def _end_early(self, source_id: str) -> SourceEnded:
        error = self._failure
        return SourceEnded(source_id, self._decoded(source_id), error=error, interrupted=error is None)

    def _settle_the_rest(self) -> None:
        """The sink thread has stopped: sources without an outcome never got to their end."""
        for source in self._sources.values():
            if source.outcome is None:
                source.settle(SourceState.FAILED if self._failure else SourceState.INTERRUPTED, self._failure)
        self._tell_stopped()

    def _tell_stopped(self) -> None:
        self._state.advance_from(PipelineState.STOPPED, *PipelineState.active())
        self._stopped.set()
        for callback in self._on_stopped:
            callback()

    def _stop_workers(self, mode: StopMode = StopMode.ABORT) -> None:
        for process in self._crew.processes:
            process.let_go()
        self._crew.stop(Stop(mode))

    def _decoded(self, source_id: str) -> int:
        return self._sources[source_id].statistics().frames_decoded
