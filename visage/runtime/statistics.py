"""What a pipeline says of itself: counters of its sources, stages and queues at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from visage.runtime.queue import QueueStatistics
from visage.runtime.source import SourceStatistics
from visage.runtime.state import PipelineState
from visage.runtime.worker import StageStatistics

__all__ = ["PipelineStatistics"]


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """A pipeline at one moment. `queues` are named after the stage that empties them."""

    state: PipelineState
    sources: tuple[SourceStatistics, ...]
    stages: tuple[StageStatistics, ...]
    queues: dict[str, QueueStatistics]
