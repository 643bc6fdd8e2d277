"""The sink thread: writes every source's observations and, at a source's end, makes its outputs whole.

A sink that fails takes only its own source with it. If the pipeline fails upstream, what has arrived is still written
and marked as incomplete; if it is aborted, unfinished outputs are abandoned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from stages.frames import Observation
from stages.sink.base import Sink
from stages.sources import SourceEnded, SourceStarted, VideoInfo
from visage.runtime.errors import QueueAborted, QueueClosed, StageFailed
from visage.runtime.limits import SINK_BATCH
from visage.runtime.queue import BoundedQueue

__all__ = ["OpenSinks", "SinkItem", "SinkWorker"]

SinkItem: TypeAlias = SourceStarted | Observation | SourceEnded
OpenSinks: TypeAlias = Callable[[VideoInfo], Sequence[Sink]]


class SinkWorker:
    """Owns the open sinks of all sources."""

    def __init__(
        self,
        *,
        inlet: BoundedQueue[SinkItem],
        open_sinks: OpenSinks,
        on_frame: Callable[[Observation], None],
        on_source_failed: Callable[[str, BaseException], None],
        on_source_ended: Callable[[SourceEnded], None],
        end_early: Callable[[str], SourceEnded],
        on_failure: Callable[[StageFailed], None],
        on_stopped: Callable[[], None],
    ) -> None:
        """
        Args:
            open_sinks: makes a source's sinks, not yet opened.
            on_frame: a frame has been written to all its sinks.
            on_source_failed: a sink failed; the source's remaining items will be discarded.
            on_source_ended: the source's outputs are durable, or its failure is known.
            end_early: makes the end marker of a source whose own did not come, because a stage failed.
            on_failure: this thread can't go on.
            on_stopped: last call of this thread.
        """
        self._inlet = inlet
        self._open_sinks = open_sinks
        self._on_frame = on_frame
        self._on_source_failed = on_source_failed
        self._on_source_ended = on_source_ended
        self._end_early = end_early
        self._on_failure = on_failure
        self._on_stopped = on_stopped
        self._sinks: dict[str, list[Sink]] = {}
        self._broken: set[str] = set()
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
        try:
            while True:
                for item in self._inlet.get_batch(SINK_BATCH):
                    self._handle(item)
        except QueueClosed:
            self._finish_early()
        except QueueAborted:
            self._abandon_all()
        except Exception as exc:  # the thread's edge: the pipeline records it and stops
            self._abandon_all()
            failure = StageFailed("sink", exc)
            failure.__cause__ = exc
            self._on_failure(failure)
        finally:
            self._on_stopped()

    def _handle(self, item: SinkItem) -> None:
        if isinstance(item, Observation):
            try:
                self._guard(item.source_id, lambda: self._write(item))
                self._on_frame(item)
            finally:
                item.release()
        elif isinstance(item, SourceStarted):
            self._sinks[item.source_id] = []
            self._guard(item.source_id, lambda: self._open(item.info))
        else:
            self._guard(item.source_id, lambda: self._close(item))
            self._sinks.pop(item.source_id, None)
            self._broken.discard(item.source_id)  # a later source may have its name
            self._on_source_ended(item)

    def _open(self, info: VideoInfo) -> None:
        for sink in self._open_sinks(info):
            self._sinks[info.source_id].append(sink)  # before it opens, so that a failure abandons it too
            sink.open(info)

    def _write(self, item: Observation) -> None:
        for sink in self._sinks[item.source_id]:
            sink.write(item)

    def _close(self, ended: SourceEnded) -> None:
        for sink in self._sinks[ended.source_id]:
            sink.close(ended)

    def _guard(self, source_id: str, act: Callable[[], None]) -> None:
        """Act on a source's sinks; at the first failure abandon them all."""
        if source_id not in self._sinks or source_id in self._broken:
            return
        try:
            act()
        except Exception as exc:  # whatever a sink raises concerns its source alone
            self._broken.add(source_id)
            for sink in self._sinks[source_id]:
                sink.abandon()
            self._on_source_failed(source_id, exc)

    def _finish_early(self) -> None:
        for source_id in list(self._sinks):
            self._handle(self._end_early(source_id))

    def _abandon_all(self) -> None:
        for source_id, sinks in self._sinks.items():
            if source_id not in self._broken:
                for sink in sinks:
                    sink.abandon()
        self._sinks.clear()
