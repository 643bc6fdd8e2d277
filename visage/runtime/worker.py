"""A stage on a thread: take a batch, process it, pass it on, with markers in their places."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stages.contract import Hook, Stage
from stages.frames import Frame, Observation
from stages.meter import metered
from stages.sources import SourceEnded, SourceStarted
from visage.runtime.errors import QueueAborted, QueueClosed, StageFailed
from visage.runtime.queue import BoundedQueue

__all__ = ["StageStatistics", "StageWorker"]

In = TypeVar("In", bound="Frame | Observation")


class StageWorker(Generic[In]):
    """Runs one stage on a thread until its input ends, the pipeline is aborted, or the stage raises."""

    def __init__(
        self,
        stage: Stage[In, Observation],
        *,
        name: str,
        take: Callable[[], Sequence[SourceStarted | In | SourceEnded]],
        output: BoundedQueue[SourceStarted | Observation | SourceEnded],
        hooks: Sequence[Hook] = (),
        on_failure: Callable[[StageFailed], None],
    ) -> None:
        """
        Args:
            name: the thread's.
            take: the next batch; raises QueueClosed at the end, QueueAborted when torn down.
            output: closed when the stage has passed on its last item, also when it failed.
            on_failure: called on this thread before the output is closed.
        """
        self._stage = metered(stage)
        self._take = take
        self._output = output
        for counter in self._stage.counters:
            counter.hooks = hooks
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Start the worker's thread. Raises RuntimeError if called twice."""
        self._thread.start()

    def close_unstarted(self) -> None:
        """Close the stage of a worker that was never started; otherwise its thread closes it."""
        self._stage.close()

    def join(self, timeout_seconds: float) -> bool:
        """Wait at most this many seconds for the thread; return whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def statistics(self) -> tuple[StageStatistics, ...]:
        """Return the counters of the stage and of each inside it, in the order of the frames; times are in seconds."""
        return tuple(
            StageStatistics(counter.name, counter.batches, counter.items, counter.seconds_busy)
            for counter in self._stage.counters
        )

    def _run(self) -> None:
        try:
            try:
                self._stage.open()
                while True:
                    self._handle(self._take())
            except (QueueClosed, QueueAborted):
                pass
            finally:
                self._stage.close()
        except Exception as exc:  # the thread's edge: the pipeline records it and stops
            # The innermost that has raised; what went wrong between stages counts as the last one's.
            failed = next((counter for counter in self._stage.counters if counter.has_failed), self._stage.counters[-1])
            failure = StageFailed(failed.name, exc)
            failure.__cause__ = exc
            self._on_failure(failure)
        finally:
            self._output.close()

    def _handle(self, batch: Sequence[SourceStarted | In | SourceEnded]) -> None:
        items = [item for item in batch if not isinstance(item, (SourceStarted, SourceEnded))]
        outgoing: list[SourceStarted | Observation | SourceEnded] = []
        try:
            results = self._stage.process(items) if items else ()
            if len(results) != len(items):
                raise RuntimeError(f"{len(results)} results for a batch of {len(items)} frames")
            rest = iter(results)
            for item in batch:
                if isinstance(item, SourceEnded):
                    self._stage.end_source(item.source_id)
                outgoing.append(item if isinstance(item, (SourceStarted, SourceEnded)) else next(rest))
        except BaseException:
            for item in items:  # their results hold the same frames
                item.release()
            raise
        self._pass_on(outgoing)

    def _pass_on(self, outgoing: Sequence[SourceStarted | Observation | SourceEnded]) -> None:
        try:
            self._output.put(outgoing)
        except (QueueClosed, QueueAborted):
            for undelivered in outgoing:
                if isinstance(undelivered, Observation):
                    undelivered.release()
            raise


@dataclass(frozen=True, slots=True)
class StageStatistics:
    """A stage's work so far.

    Attributes:
        batches: calls of `process`.
        items: frames in them.
        seconds_busy: seconds in `process`, without those of the inner stages.
    """

    name: str
    batches: int
    items: int
    seconds_busy: float
