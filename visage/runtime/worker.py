"""A stage on a thread: take a batch, process it, pass it on, markers in their places."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stages.contract import Hook, Stage
from stages.frames import Frame, Observation
from stages.sources import SourceEnded, SourceStarted
from visage.runtime.errors import QueueAborted, QueueClosed, StageFailed
from visage.runtime.queue import BoundedQueue

__all__ = ["StageStatistics", "StageWorker"]

In = TypeVar("In", bound="Frame | Observation")


class StageWorker(Generic[In]):
    """Runs one stage until its input ends, the pipeline is aborted, or the stage fails."""

    def __init__(
        self,
        stage: Stage[In, Observation],
        *,
        take: Callable[[], Sequence[SourceStarted | In | SourceEnded]],
        output: BoundedQueue[SourceStarted | Observation | SourceEnded],
        hooks: Sequence[Hook] = (),
        on_failure: Callable[[StageFailed], None],
    ) -> None:
        """
        Args:
            take: the next batch; raises QueueClosed at the end, QueueAborted when torn down.
            output: closed when the stage has passed on its last item, also when it failed.
            on_failure: called on this thread before the output is closed.
        """
        self._stage = stage
        self._take = take
        self._output = output
        self._hooks = hooks
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._run, name=stage.name)
        self._batches = 0
        self._items = 0
        self._seconds_busy = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close_unstarted(self) -> None:
        """Free the stage of a worker that was never started: otherwise its thread does."""
        self._stage.close()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread; says whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def statistics(self) -> StageStatistics:
        """Counters at this moment."""
        return StageStatistics(self._stage.name, self._batches, self._items, self._seconds_busy)

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
            failure = StageFailed(self._stage.name, exc)
            failure.__cause__ = exc
            self._on_failure(failure)
        finally:
            self._output.close()

    def _handle(self, batch: Sequence[SourceStarted | In | SourceEnded]) -> None:
        items = [item for item in batch if not isinstance(item, (SourceStarted, SourceEnded))]
        outgoing: list[SourceStarted | Observation | SourceEnded] = []
        try:
            results = self._process(items) if items else ()
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

    def _process(self, items: Sequence[In]) -> Sequence[Observation]:
        started = time.perf_counter()
        results = self._stage.process(items)
        seconds = time.perf_counter() - started
        self._batches += 1
        self._items += len(items)
        self._seconds_busy += seconds
        for hook in self._hooks:
            hook.on_batch(self._stage.name, len(items), seconds)
        return results

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
        seconds_busy: time in `process`.
    """

    name: str
    batches: int
    items: int
    seconds_busy: float
