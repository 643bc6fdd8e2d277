"""The sources of a fleet in the owner process: read and counted by workers, settled here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from stages.frames import Observation
from stages.sources import SourceEnded, SourceStarted
from stages.tracks.log import TrackLog, TrackStatistics
from visage.config.sources import SourceSpec
from visage.runtime.queue import QueueStatistics
from visage.runtime.sinks import SinkItem
from visage.runtime.source import Outcome, SourceStatistics
from visage.runtime.state import SourceState

__all__ = ["RemoteSource", "RemoteSources"]

NOTHING_WAITS = QueueStatistics(0, 0, 0, 0, 0.0, 0.0)


class RemoteSource:
    """One source from its turn to its outcome.

    Attributes:
        outcome: how it ended; None until its outputs are durable or its failure is known.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self.spec = spec
        self.outcome: Outcome | None = None
        self._told: SourceStatistics | None = None
        self._began_at: float | None = None
        self._ended_at: float | None = None
        self._has_started = False
        self._last_index = -1
        self._pending: SourceStatistics | None = None
        self._final: SourceStatistics | None = None  # made once: a run may have thousands that ended

    def __repr__(self) -> str:
        return repr(self.statistics())

    def begin(self) -> None:
        """Note that a worker was told to start it; its time counts from the first call."""
        self._began_at = self._began_at or time.monotonic()

    def keep(self, told: SourceStatistics) -> None:
        """Keep the worker's statistics; ignored once the source has an outcome."""
        if self.outcome is None:
            self._told = told

    def is_new(self, item: SinkItem) -> bool:
        """Return whether an item has not come before: a source that was started again repeats itself.

        Frames are compared by index: one is new if its index is above all before it. Starts are new once, ends always.
        """
        if isinstance(item, SourceStarted):
            is_new, self._has_started = not self._has_started, True
        elif isinstance(item, SourceEnded):
            is_new = True
        else:
            is_new = item.frame.index > self._last_index
            self._last_index = max(self._last_index, item.frame.index)
        return is_new

    def settle(self, ended: SourceEnded, state: SourceState, error: BaseException | None) -> Outcome | None:
        """Give it its last state, and return that; None where it has one."""
        if self.outcome is not None:
            return None
        self._ended_at = time.monotonic()
        seen = self.statistics()
        decoded = max(ended.frames_decoded, seen.frames_decoded)
        self.outcome = Outcome(ended.source_id, state, decoded, seen.frames_done, seen.faces, error)
        self._final = self._statistics()
        return self.outcome

    def statistics(self) -> SourceStatistics:
        """Return the worker's last statistics, with seconds measured in this process."""
        return self._final or self._statistics()

    def _statistics(self) -> SourceStatistics:
        if self._began_at is None and self.outcome is None:  # made once: thousands may wait
            self._pending = self._pending or self._counted()
            return self._pending
        return self._counted()

    def _counted(self) -> SourceStatistics:
        told, began, outcome = self._told, self._began_at, self.outcome
        decoded = told.frames_decoded if told else 0
        return SourceStatistics(
            source_id=self.spec.source_id,
            state=self._state(),
            frames_decoded=max(decoded, outcome.frames_decoded if outcome else 0),
            frames_done=told.frames_done if told else 0,
            frames_dropped=told.frames_dropped if told else 0,
            faces=told.faces if told else 0,
            frame_count=told.frame_count if told else None,
            pts_seconds=told.pts_seconds if told else 0.0,
            seconds_running=0.0 if began is None else (self._ended_at or time.monotonic()) - began,
            inbox=told.inbox if told else NOTHING_WAITS,
            frames_looked_at=told.frames_looked_at if told else 0,
            tracks=told.tracks if told else TrackStatistics(),
            frames_refused=told.frames_refused if told else 0,
        )

    def _state(self) -> SourceState:
        if self.outcome is not None:
            return self.outcome.state
        if self._began_at is None:
            return SourceState.PENDING
        if self._told is None:
            return SourceState.OPENING
        is_read = self._told.state in (SourceState.PENDING, SourceState.OPENING, SourceState.RUNNING)
        return self._told.state if is_read else SourceState.FINISHING  # its worker has done its part


class RemoteSources:
    """All sources of a run by name. Implements `visage.runtime.settlement.SourceBook`."""

    def __init__(self, specs: Sequence[SourceSpec], *, interrupt: Callable[[str], None]) -> None:
        """`interrupt`: tells whoever reads a source to leave it."""
        self._sources = {spec.source_id: RemoteSource(spec) for spec in specs}
        self._interrupt = interrupt
        self._left = len(self._sources)

    @property
    def is_done(self) -> bool:
        """Whether every source has an outcome."""
        return not self._left

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[RemoteSource]:
        return iter(self._sources.values())

    def __getitem__(self, source_id: str) -> RemoteSource:
        return self._sources[source_id]

    def count(self, observation: Observation, tracks: TrackLog) -> None:
        """Do nothing: the worker counts its observations."""

    def interrupt(self, source_id: str) -> None:
        """Stop reading a source; frames that were read are still delivered."""
        self._interrupt(source_id)

    def frames_decoded(self, source_id: str) -> int:
        """Return the number of frames decoded, as its worker last reported. Raises KeyError for an unknown source."""
        return self._sources[source_id].statistics().frames_decoded

    def unsettled_ids(self) -> list[str]:
        """Return the sources without an outcome."""
        return [name for name, source in self._sources.items() if source.outcome is None]

    def end(self, source_id: str, timeout_seconds: float) -> None:
        """Do nothing: no thread of this process reads it."""

    def settle(self, ended: SourceEnded, state: SourceState, error: BaseException | None) -> Outcome | None:
        """Record how a source ended, and return that; None where it has an outcome."""
        outcome = self._sources[ended.source_id].settle(ended, state, error)
        self._left -= outcome is not None  # one thread at a time: `Settlement` holds its lock
        return outcome
