"""The sink thread: writes every source's observations and, at a source's end, completes its outputs.

A sink that fails takes only its own source with it. If the pipeline fails upstream, what has arrived is still written
and marked as incomplete; if it is aborted, unfinished outputs are abandoned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from stages.frames import Observation
from stages.sink.base import Sink
from stages.sink.source_sinks import SourceSinks
from stages.sources import SourceEnded, SourceStarted, VideoInfo
from stages.tracks.log import TrackLog
from visage.runtime.errors import QueueAborted, QueueClosed, StageFailed
from visage.runtime.limits import SINK_BATCH
from visage.runtime.queue import BoundedQueue

__all__ = ["OpenSinks", "SinkItem", "SinkListener", "SinkWorker"]

SinkItem: TypeAlias = SourceStarted | Observation | SourceEnded
OpenSinks: TypeAlias = Callable[[VideoInfo], Sequence[Sink]]


class SinkListener(Protocol):
    """Is told what the sink thread does; `visage.runtime.settlement` listens. Called on that one thread."""

    def frame_done(self, observation: Observation, tracks: TrackLog) -> None:
        """Note that a frame has been written; `tracks` is its source's log so far."""

    def source_failed(self, source_id: str, error: BaseException) -> None:
        """Note that a sink raised `error`; the source's remaining items will be discarded."""

    def source_ended(self, ended: SourceEnded) -> None:
        """Note that the source's outputs are durable, or that its failure is known."""

    def end_early(self, source_id: str) -> SourceEnded:
        """Return the end marker of a source whose own did not come, because a stage raised an error."""

    def stopped(self, failure: StageFailed | None) -> None:
        """Note the thread's end; `failure` is why it could not go on, None if it was stopped in order."""


class SinkWorker:
    """The sink thread; owns the open sinks of all sources and closes or abandons them."""

    def __init__(self, *, inlet: BoundedQueue[SinkItem], open_sinks: OpenSinks, listener: SinkListener) -> None:
        """`open_sinks` makes a source's sinks, not yet opened."""
        self._inlet = inlet
        self._open_sinks = open_sinks
        self._listener = listener
        self._sources: dict[str, SourceSinks] = {}
        self._thread = threading.Thread(target=self._run, name="sink")

    def start(self) -> None:
        """Start the thread; `join` waits for its end."""
        self._thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait at most `timeout_seconds` for the thread; returns whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failure: StageFailed | None = None
        try:
            while True:
                for item in self._inlet.get_batch(SINK_BATCH):
                    self._handle(item)
        except QueueClosed:
            for source_id in list(self._sources):
                self._handle(self._listener.end_early(source_id))
        except QueueAborted:
            self._abandon_all()
        except Exception as exc:  # the thread's edge: the pipeline records it and stops
            self._abandon_all()
            failure = StageFailed("sink", exc)
            failure.__cause__ = exc
        finally:
            self._listener.stopped(failure)

    def _handle(self, item: SinkItem) -> None:
        if isinstance(item, Observation):
            try:
                source = self._sources[item.source_id]
                self._guard(item.source_id, lambda: source.write(item))
                self._listener.frame_done(item, source.tracks)
            finally:
                item.release()
        elif isinstance(item, SourceStarted):
            source = self._sources[item.source_id] = SourceSinks()
            self._guard(item.source_id, lambda: source.open(lambda: self._open_sinks(item.info), item.info))
        else:
            # One that could not be opened has not started, and has no sinks.
            source = self._sources.pop(item.source_id, SourceSinks())
            self._guard(item.source_id, lambda: source.close(item))
            self._listener.source_ended(item)

    def _guard(self, source_id: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as exc:  # whatever a sink raises concerns its source alone
            self._listener.source_failed(source_id, exc)

    def _abandon_all(self) -> None:
        for source in self._sources.values():
            source.abandon()
        self._sources.clear()
