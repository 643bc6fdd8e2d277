"""The running whole: sources, two stages, sinks, and the queues between them.

    source threads ──> inboxes ──> detect ──> queue ──> embed ──> queue ──> sink thread
                       (a source)             (bounded)           (bounded)

The pipeline owns every thread; decode threads that hang at the end are left behind. It stops when all its sources have
ended after `finish`, when it is drained or aborted, or when a stage fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from stages.contract import FrameSource, Hook, Stage
from stages.frames import Frame, Observation
from visage.runtime.errors import StageFailed
from visage.runtime.inboxes import Inboxes, OverflowPolicy
from visage.runtime.items import face_count, release_all
from visage.runtime.limits import PipelineLimits
from visage.runtime.queue import BoundedQueue
from visage.runtime.settlement import JOIN_SECONDS, Settlement
from visage.runtime.sinks import OpenSinks, SinkItem, SinkWorker
from visage.runtime.source import Outcome, RunningSource, SourceItem
from visage.runtime.source_table import SourceTable
from visage.runtime.state import PipelineState
from visage.runtime.statistics import PipelineStatistics
from visage.runtime.stuck_decoders import StuckDecoders
from visage.runtime.worker import StageWorker

__all__ = ["Pipeline"]


class Pipeline:
    """Runs sources through the stages to the sinks. Made by `visage.assembly`; a context manager.

    Owns its threads, stages and queues, which `close` ends.
    """

    def __init__(
        self,
        *,
        detect: Stage[Frame, Observation],
        embed: Stage[Observation, Observation] | None,
        open_sinks: OpenSinks,
        limits: PipelineLimits,
        hooks: Sequence[Hook] = (),
        on_ended: Callable[[Outcome], None] | None = None,
    ) -> None:
        """
        Args:
            embed: None leaves faces without embeddings.
            open_sinks: makes the sinks of a source once its size and rate are known.
            on_ended: told of every source whose outputs are durable or whose failure is known; quick, never raises.
                Called on the sink thread, or on the one that stops the pipeline.
        """
        self._limits = limits
        self._sources = SourceTable(concurrent=limits.concurrent_sources)
        self._settlement = Settlement(
            self._sources, on_settled=self._go_on, on_failed=self._stop_reading, on_ended=on_ended
        )
        self._state = self._settlement.state
        self._stuck = StuckDecoders(self._sources, self._settlement.has_stopped)
        self._inboxes: Inboxes[SourceItem] = Inboxes()
        names = ("sink",) if embed is None else ("embed", "sink")
        self._queues: dict[str, BoundedQueue[SinkItem]] = {name: BoundedQueue(limits.queue_capacity) for name in names}
        detected, finished = self._queues[names[0]], self._queues["sink"]
        self._workers: list[StageWorker[Frame] | StageWorker[Observation]] = [
            StageWorker(
                detect,
                name="detect",
                take=self._take_frames,
                output=detected,
                hooks=hooks,
                on_failure=lambda failure: self._fail(failure, fed_by=()),
            )
        ]
        if embed is not None:
            self._workers.append(
                StageWorker(
                    embed,
                    name="embed",
                    take=self._take_observations,
                    output=finished,
                    hooks=hooks,
                    on_failure=lambda failure: self._fail(failure, fed_by=(detected,)),
                )
            )
        self._settlement.on_stopped(self._drop_unwritten)
        self._sink = SinkWorker(inlet=finished, open_sinks=open_sinks, listener=self._settlement)

    def __repr__(self) -> str:
        return f"<Pipeline {self._state.current.name}, {self._sources.summary}>"

    @property
    def state(self) -> PipelineState:
        """The present state. Safe from any thread."""
        return self._state.current

    @property
    def failure(self) -> Exception | None:
        """The failure of a stage that stopped the pipeline; None if there was none."""
        return self._settlement.failure

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcome of each source that has ended, by id; complete once the pipeline has stopped."""
        return self._sources.outcomes

    def add(self, source_id: str, frames: FrameSource, policy: OverflowPolicy = OverflowPolicy.WAIT) -> None:
        """Add a source; it starts when a decoder is free. The pipeline closes it.

        Raises ValueError for a source_id that is taken, QueueClosed after `finish` or when the pipeline is stopping.
        """
        capacity = self._limits.inbox_room(policy)
        self._sources.add(source_id, lambda: RunningSource(source_id, frames, self._inboxes.add(capacity, policy)))
        self._start_waiting()

    def interrupt(self, source_id: str) -> None:
        """Read no more of one source, if it has not ended; what was read is written. Raises KeyError for others."""
        source = self._sources[source_id]
        is_unstarted = self._sources.withdraw(source)
        source.interrupt()
        if is_unstarted:
            self._settlement.withdraw(source_id)
            self._close_if_done()

    def give_up(self, source_id: str) -> None:
        """Wait no longer for one that was interrupted; its decode thread is left behind. Raises KeyError for others."""
        self._sources[source_id].give_up()

    def forget(self, source_id: str) -> Outcome:
        """Drop the record of a source that has ended, so that a pipeline that runs for months does not grow.

        Its counts stay in `PipelineStatistics.forgotten`; its name is free again. Raises KeyError for others.
        """
        return self._sources.forget(source_id)

    def start(self) -> None:
        """Start the threads of the stages and sinks. Raises IllegalTransition if called twice."""
        self._state.advance(PipelineState.RUNNING)
        for worker in self._workers:
            worker.start()
        self._sink.start()
        self._start_waiting()

    def finish(self) -> None:
        """Accept no more sources, and stop once those that were added have ended. Idempotent."""
        self._sources.close()
        self._close_if_done()

    def drain(self) -> None:
        """Read no more; finish and write what is in flight. Returns at once, may be called from any thread, twice."""
        if not self._state.advance_from(PipelineState.DRAINING, PipelineState.RUNNING):
            return
        self._interrupt_all()
        self._settle_unstarted()
        self._close_if_done()
        self._stuck.watch()

    def abort(self) -> None:
        """Drop what is in flight and abandon unfinished outputs. Returns at once, may be called from any thread."""
        if not self._state.advance_from(PipelineState.ABORTING, PipelineState.RUNNING, PipelineState.DRAINING):
            return
        self._interrupt_all()
        release_all(self._inboxes.abort())
        for queue in self._queues.values():
            release_all(queue.abort())

    def on_stopped(self, callback: Callable[[], None]) -> None:
        """Call `callback` when everything is written or given up; to be registered before `start`.

        It runs on the sink thread, if that was started.
        """
        self._settlement.on_stopped(callback)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait at most this many seconds until all is written and the stages have stopped; return whether it is."""
        return self._settlement.has_stopped.wait(timeout_seconds)

    def close(self, *, drain_seconds: float = 0.0, join_seconds: float = JOIN_SECONDS) -> None:
        """Stop, first by draining for so many seconds, then by aborting, and join every thread.

        Decode threads that hang are left behind, with a warning. Raises RuntimeError, which names those of the others
        that do not end within `join_seconds`.
        """
        if self._state.advance_from(PipelineState.STOPPED, PipelineState.NEW):
            self._sources.close()
            self._settle_unstarted()
            with ExitStack() as closing:
                closing.callback(self._settlement.stopped)
                for worker in self._workers:
                    closing.callback(worker.close_unstarted)
            return
        if drain_seconds > 0:
            self.drain()
            self.wait(drain_seconds)
        self.abort()
        until = time.monotonic() + join_seconds
        threads = (*self._workers, self._sink, self._stuck)
        stuck = [thread for thread in threads if not thread.join(until - time.monotonic())]
        if stuck:
            raise RuntimeError(f"these did not stop in {join_seconds:.0f} s: {stuck}")

    def statistics(self) -> PipelineStatistics:
        """Return the counters of all sources, stages and queues at this moment; times are in seconds."""
        sources, forgotten = self._sources.snapshot()
        return PipelineStatistics(
            state=self._state.current,
            forgotten=forgotten,
            sources=tuple(source.statistics() for source in sources),
            stages=tuple(stage for worker in self._workers for stage in worker.statistics()),
            queues={name: queue.statistics() for name, queue in self._queues.items()},
        )

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_frames(self) -> list[SourceItem]:
        deadline = self._limits.deadline_seconds(with_live=self._inboxes.has_live)
        return self._inboxes.take(self._limits.detect_batch, deadline_seconds=deadline)

    def _take_observations(self) -> list[SinkItem]:
        return self._queues["embed"].get_batch(self._limits.embed_batch, weight=face_count)

    def _start_waiting(self) -> None:
        if self._state.current is PipelineState.RUNNING and self.failure is None:
            for source in self._sources.take_startable():
                source.start()

    def _go_on(self) -> None:
        """A source has ended."""
        self._start_waiting()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._sources.is_done:
            self._inboxes.close()

    def _fail(self, failure: StageFailed, *, fed_by: Sequence[BoundedQueue[SinkItem]]) -> None:
        """Stop, because a stage has failed. `fed_by`: the queues up to it; those after it are still worked off."""
        self._settlement.fail(failure)
        for queue in fed_by:
            release_all(queue.abort())

    def _stop_reading(self) -> None:
        """Something has failed."""
        self._interrupt_all()
        release_all(self._inboxes.abort())

    def _drop_unwritten(self) -> None:
        """The sink thread takes no more: what fills the queues before it would wait for ever."""
        for queue in self._queues.values():
            release_all(queue.abort())

    def _interrupt_all(self) -> None:
        self._sources.close()
        for source in self._sources.all():
            source.interrupt()

    def _settle_unstarted(self) -> None:
        for source in self._sources.take_waiting():
            self._settlement.withdraw(source.source_id)
