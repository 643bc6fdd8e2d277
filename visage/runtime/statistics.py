"""Counters of a pipeline's sources, stages and queues at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from stages.tracks.log import TrackStatistics
from visage.runtime.queue import QueueStatistics
from visage.runtime.source import SourceStatistics
from visage.runtime.state import PipelineState
from visage.runtime.worker import StageStatistics

__all__ = ["PipelineStatistics", "SourceTotals"]


@dataclass(frozen=True, slots=True)
class SourceTotals:
    """The summed counters of several sources; `seconds_waiting`: how long their threads waited for room."""

    sources: int = 0
    frames_decoded: int = 0
    frames_done: int = 0
    frames_dropped: int = 0
    faces: int = 0
    frames_looked_at: int = 0
    tracks: TrackStatistics = field(default_factory=TrackStatistics)
    frames_refused: int = 0
    seconds_waiting: float = 0.0

    def plus(self, source: SourceStatistics) -> SourceTotals:
        """Return these totals with one more source added; waits are in seconds."""
        return SourceTotals(
            self.sources + 1,
            self.frames_decoded + source.frames_decoded,
            self.frames_done + source.frames_done,
            self.frames_dropped + source.frames_dropped,
            self.faces + source.faces,
            self.frames_looked_at + source.frames_looked_at,
            self.tracks.plus(source.tracks),
            self.frames_refused + source.frames_refused,
            self.seconds_waiting + source.inbox.seconds_waiting_to_put,
        )


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """The counters of a pipeline at one moment. `queues` are named after the stage that empties them.

    `forgotten` holds what sources counted that `Pipeline.forget` dropped; they are not among `sources`.
    """

    state: PipelineState
    sources: tuple[SourceStatistics, ...]
    stages: tuple[StageStatistics, ...]
    queues: dict[str, QueueStatistics]
    forgotten: SourceTotals = SourceTotals()
