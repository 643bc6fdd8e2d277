"""The sink thread: writes every source's observations and, at a source's end, makes its outputs whole.

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
    """What the sink thread reports; `visage.runtime.settlement` listens. Called on that thread."""

    def frame_done(self, observation: Observation, tracks: TrackLog) -> None:
        """Take note of a frame that has been written; `tracks` has its source's so far."""

    def source_failed(self, source_id: str, error: BaseException) -> None:
        """Take note that a sink failed; the source's remaining items will be discarded."""

    def source_ended(self, ended: SourceEnded) -> None:
        """Take note that the source's outputs are durable, or its failure is known."""

    def end_early(self, source_id: str) -> SourceEnded:
        """Return the end marker of a source whose own did not come, because a stage failed."""

    def stopped(self, failure: StageFailed | None) -> None:
        """Take note of the thread's end; `failure` is why it could not go on."""


class SinkWorker:
    """Owns the open sinks of all sources."""

    def __init__(self, *, inlet: BoundedQueue[SinkItem], open_sinks: OpenSinks, listener: SinkListener) -> None:
        """`open_sinks` makes a source's sinks, not yet opened."""
        self._inlet = inlet
        self._open_sinks = open_sinks
        self._listener = listener
        self._sources: dict[str, SourceSinks] = {}
        self._thread = threading.Thread(target=self._run, name="sink")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread; says whether it has ended."""
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
