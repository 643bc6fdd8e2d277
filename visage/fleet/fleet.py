"""Jobs spread over worker processes; what they share is here.

One frame's way, in a worker:

    decode ──> detect + track ──> embed + name ──> the source's sinks (visage.runtime.job) ──> published outputs

One result's way, from a worker to here:

    track log ──> tracks that ended ───┐
    starts, ends, progress ────────────┼──> ItemBatch ──> listener ──> the gallery's recorder
    frames, where they are wanted ─────┘                         └──> queue ──> sink thread (joins tables, frames)

A worker gets its next source when it can begin with it, so a fast one does more. People travel to the workers as a
snapshot of vectors (`shared_roster`); the gallery is written here. When a worker is lost, another takes its place and
begins the files that it was reading again, once; their unfinished outputs were never visible, and are replaced.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from stages.identify.roster import KnownPeople, Roster
from stages.sources import SourceEnded
from visage.config.sources import SourceSpec
from visage.fleet.merge import merged_queues, merged_stages
from visage.fleet.messages import Built, Ready, Report, Stop, StopMode, Task
from visage.fleet.process import EXIT_SECONDS, WorkerLost, WorkerProcess
from visage.fleet.recording import Recorded, SeenAgain
from visage.fleet.remote import RemoteSources
from visage.fleet.shared_roster import RosterSnapshot
from visage.fleet.wire import ItemBatch, Unpacker
from visage.fleet.worker_pool import WorkerPool
from visage.head_start import Started
from visage.models.engines import OnBuild
from visage.runtime.errors import QueueAborted, QueueClosed, StageFailed
from visage.runtime.job import TrackRecorder
from visage.runtime.queue import BoundedQueue
from visage.runtime.settlement import JOIN_SECONDS, Settlement
from visage.runtime.sinks import OpenSinks, SinkItem, SinkWorker
from visage.runtime.source import Outcome
from visage.runtime.state import PipelineState
from visage.runtime.statistics import PipelineStatistics

__all__ = ["Fleet"]

logger = logging.getLogger(__name__)

QUEUE_CAPACITY = 512
"""Observations without pixels, a kilobyte or two each, that may wait for the sinks."""


class Fleet:
    """Runs sources in several worker processes. Implements `visage.runtime.run.Run`; a context manager.

    Made by `visage.assembly`. It owns the workers and the sink's thread, which `close` ends.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        sources: Sequence[SourceSpec],
        *,
        launch: Callable[[], Started],
        open_sinks: OpenSinks,
        people: KnownPeople | None = None,
        recorder: TrackRecorder | None = None,
        on_build: OnBuild | None = None,
    ) -> None:
        """
        Args:
            tasks: one a worker.
            launch: starts a worker process, or gives one that waits for its task already.
            open_sinks: makes the sinks that a source has here; they get frames where the tasks say so.
            people: whom the workers compare faces with.
            recorder: takes the tracks of all workers, where there is a gallery.
            on_build: told of the building of engines.
        """
        self._launch = launch
        self._people = people
        self._recorder = recorder
        self._on_build = on_build
        self._roster: Roster | None = None
        self._snapshot: RosterSnapshot | None = None
        self._sharing = threading.Lock()
        self._pool = WorkerPool(sources)
        self._sources = RemoteSources(sources, interrupt=self._pool.interrupt)
        self._settlement = Settlement(
            self._sources, on_settled=self._finish_if_done, on_failed=lambda: self._stop_workers(StopMode.ABORT)
        )
        self._state = self._settlement.state
        self._received: BoundedQueue[SinkItem] = BoundedQueue(QUEUE_CAPACITY)
        self._settlement.on_stopped(self._received.abort)
        self._sink = SinkWorker(inlet=self._received, open_sinks=open_sinks, listener=self._settlement)
        self._unpackers: dict[WorkerProcess, Unpacker] = {}
        self._numbers = itertools.count()
        for task in tasks:
            self._pool.add(self._make_worker(task), task.concurrent)

    def __repr__(self) -> str:
        return f"<Fleet {self._state.current.name}, {len(self._unpackers)} workers, {len(self._sources)} sources>"

    @property
    def failure(self) -> Exception | None:
        return self._settlement.failure

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {source.spec.source_id: source.outcome for source in self._sources if source.outcome is not None}

    @property
    def process_ids(self) -> list[int]:
        """The process ids of the workers that have been started."""
        return [process.process_id for process in self._pool.processes if process.process_id is not None]

    def start(self) -> None:
        self._state.advance(PipelineState.RUNNING)
        self._sink.start()
        for process in self._pool.processes:
            process.start()
        self._share_people()
        self._finish_if_done()  # there may be no source at all

    def drain(self) -> None:
        if not self._state.advance_from(PipelineState.DRAINING, PipelineState.RUNNING):
            return
        for source_id in self._pool.stop(Stop(StopMode.DRAIN)):
            self._settlement.withdraw(source_id)
        self._finish_if_done()

    def abort(self) -> None:
        if not self._state.advance_from(PipelineState.ABORTING, PipelineState.RUNNING, PipelineState.DRAINING):
            return
        self._stop_workers(StopMode.ABORT)
        self._received.abort()

    def on_stopped(self, callback: Callable[[], None]) -> None:
        self._settlement.on_stopped(callback)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        return self._settlement.has_stopped.wait(timeout_seconds)

    def close(self) -> None:
        if self._state.advance_from(PipelineState.STOPPED, PipelineState.NEW):
            self._settlement.stopped()
            return
        self.abort()
        now = time.monotonic()
        killed_at, given_up_at = now + EXIT_SECONDS, now + JOIN_SECONDS
        stuck: list[WorkerProcess | SinkWorker] = [
            process for process in self._pool.processes if not process.join(max(0.0, killed_at - time.monotonic()))
        ]
        if not self._sink.join(max(0.0, given_up_at - time.monotonic())):
            stuck.append(self._sink)
        with self._sharing:
            if self._snapshot is not None:
                self._snapshot.close()
                self._snapshot = None
        if stuck:
            raise RuntimeError(f"these did not stop: {stuck}")

    def statistics(self) -> PipelineStatistics:
        told = self._pool.statistics()
        return PipelineStatistics(
            state=self._state.current,
            sources=tuple(source.statistics() for source in self._sources),
            stages=merged_stages(told),
            queues={**merged_queues(told), "sink": self._received.statistics()},
        )

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_worker(self, task: Task) -> WorkerProcess:
        name = f"worker-{next(self._numbers)} on {task.settings.device}"
        process = WorkerProcess(name, task, launch=self._launch, on_report=self._hear, on_gone=self._lose)
        self._unpackers[process] = Unpacker()
        return process

    def _hear(self, process: WorkerProcess, report: Report) -> None:
        if isinstance(report, ItemBatch):
            self._receive(process, report)
        elif isinstance(report, PipelineStatistics):
            self._pool.keep(process, report)
            for source in report.sources:
                self._sources[source.source_id].keep(source)
            self._share_people()
        elif isinstance(report, Ready):
            self._pool.mark_ready(process)
            self._give_out()
        elif isinstance(report, Built) and self._on_build is not None:
            self._on_build(report.name, report.progress)

    def _receive(self, process: WorkerProcess, batch: ItemBatch) -> None:
        items: list[SinkItem] = []
        for item in self._unpackers[process].unpack(batch):
            if isinstance(item, (Recorded, SeenAgain)):
                if self._recorder is not None:
                    item.replay(self._recorder)
            elif self._sources[item.source_id].is_new(item):
                items.append(item)
        ended = [item for item in items if isinstance(item, SourceEnded)]
        if any(isinstance(item.error, StageFailed) for item in ended):
            self._pool.retire(process)
        self._pool.mark_read(process, {item.source_id for item in ended})
        with contextlib.suppress(QueueAborted, QueueClosed):  # it is stopping; the rest is of no use
            self._received.put(items)
        if ended:
            self._give_out()

    def _give_out(self) -> None:
        for source_id in self._pool.give_out():
            self._sources[source_id].begin()

    def _share_people(self) -> None:
        """Send the people to the workers that have not got them as they are now; quick where all have."""
        if self._people is None:
            return
        with self._sharing:
            roster = self._people.roster()
            if roster is self._roster or self._state.current is PipelineState.STOPPED:
                return
            before, self._snapshot, self._roster = self._snapshot, RosterSnapshot(roster), roster
            for process in self._pool.processes:
                process.share(self._snapshot)
            if before is not None:
                before.close()

    def _lose(self, process: WorkerProcess, error: Exception | None) -> None:
        """A worker has gone: begin its files again, with another in its place if it did not say why."""
        if error is None or isinstance(error, WorkerLost):
            with self._sharing:
                self._pool.replace(process, lambda: self._start_worker(process.task))
        loss = self._pool.lose(process)
        error = error or (WorkerLost(f"{process.name} left early") if any(loss) else None)
        if error is not None and self._state.current in (PipelineState.RUNNING, PipelineState.DRAINING):
            then = f"; begun again: {', '.join(loss.again)}" if loss.again else ""
            logger.warning("%s is lost: %s%s", process.name, error, then)
            if loss.left:
                self._settlement.failure = self._settlement.failure or error
        ends = [SourceEnded(name, self._sources.frames_decoded(name), error=error) for name in loss.failed + loss.left]
        with contextlib.suppress(QueueAborted, QueueClosed):
            self._received.put(ends)
        self._give_out()

    def _start_worker(self, task: Task) -> WorkerProcess:
        process = self._make_worker(task)
        process.start()
        if self._snapshot is not None:
            process.share(self._snapshot)
        return process

    def _finish_if_done(self) -> None:
        if self._sources.is_done:
            self._stop_workers(StopMode.FINISH)
            self._received.close()

    def _stop_workers(self, mode: StopMode) -> None:
        for process in self._pool.processes:
            process.let_go()
        self._pool.stop(Stop(mode))
