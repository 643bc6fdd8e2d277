"""A source that a worker process reads, as this process knows it: counted here, timed there."""

from __future__ import annotations

import time

from stages.frames import Observation
from visage.config.sources import SourceSpec
from visage.runtime.queue import QueueStatistics
from visage.runtime.source import Outcome, SourceStatistics
from visage.runtime.source_counters import SourceCounters
from visage.runtime.state import SourceState

__all__ = ["RemoteSource"]

NOTHING_WAITS = QueueStatistics(0, 0, 0, 0, 0.0, 0.0)


class RemoteSource:
    """One source from its turn to its outcome.

    Attributes:
        outcome: how it ended; None until its outputs are durable or its failure is known.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self.spec = spec
        self.outcome: Outcome | None = None
        self._tally = SourceCounters()
        self._told: SourceStatistics | None = None
        self._began_at: float | None = None
        self._ended_at: float | None = None

    def __repr__(self) -> str:
        return repr(self.statistics())

    def begin(self) -> None:
        """A worker has been told of it."""
        self._began_at = time.monotonic()

    def keep(self, told: SourceStatistics) -> None:
        """Remember what its worker counts."""
        self._told = told

    def count(self, observation: Observation) -> None:
        """A frame has reached the sinks; called by the sink thread."""
        self._tally.count(observation)

    def settle(self, state: SourceState, error: BaseException | None = None, frames_decoded: int | None = None) -> None:
        """Give it its last state; a second call does nothing.

        Args:
            frames_decoded: as its worker said at its end; where that did not come, what it last said.
        """
        if self.outcome is not None:
            return
        self._ended_at = time.monotonic()
        if frames_decoded is None:
            frames_decoded = self._told.frames_decoded if self._told else 0
        tally = self._tally
        tally.close()
        self.outcome = Outcome(
            self.spec.source_id, state, max(frames_decoded, tally.frames_done), tally.frames_done, tally.faces, error
        )

    def statistics(self) -> SourceStatistics:
        told, tally, began, outcome = self._told, self._tally, self._began_at, self.outcome
        return SourceStatistics(
            source_id=self.spec.source_id,
            state=self._state(),
            frames_decoded=max(
                told.frames_decoded if told else 0, outcome.frames_decoded if outcome else 0, tally.frames_done
            ),
            frames_done=tally.frames_done,
            frames_dropped=told.frames_dropped if told else 0,
            faces=tally.faces,
            frame_count=told.frame_count if told else None,
            pts_seconds=tally.pts_seconds,
            seconds_running=0.0 if began is None else (self._ended_at or time.monotonic()) - began,
            inbox=told.inbox if told else NOTHING_WAITS,
            frames_looked_at=tally.frames_looked_at,
            tracks=tally.tracks,
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
