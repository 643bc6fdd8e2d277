"""Adds up the statistics of several pipelines as if they were one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from visage.runtime.queue import QueueStatistics
from visage.runtime.statistics import PipelineStatistics
from visage.runtime.worker import StageStatistics

__all__ = ["merged_queues", "merged_stages"]


def merged_stages(pipelines: Sequence[PipelineStatistics]) -> tuple[StageStatistics, ...]:
    """Return one entry for each stage name, with batches, items and busy seconds summed.

    The busy time of one second may exceed a second, as several workers run at once.
    """
    by_name: dict[str, list[StageStatistics]] = {}
    for stage in (stage for pipeline in pipelines for stage in pipeline.stages):
        by_name.setdefault(stage.name, []).append(stage)
    return tuple(
        StageStatistics(
            name,
            sum(stage.batches for stage in stages),
            sum(stage.items for stage in stages),
            sum(stage.seconds_busy for stage in stages),
        )
        for name, stages in by_name.items()
    )


def merged_queues(pipelines: Sequence[PipelineStatistics]) -> dict[str, QueueStatistics]:
    """Return one entry for each queue name, with depths and waiting seconds summed."""
    names = dict.fromkeys(name for pipeline in pipelines for name in pipeline.queues)
    return {name: _sum(pipeline.queues[name] for pipeline in pipelines if name in pipeline.queues) for name in names}


def _sum(queues: Iterable[QueueStatistics]) -> QueueStatistics:
    every = list(queues)
    return QueueStatistics(
        depth=sum(queue.depth for queue in every),
        capacity=sum(queue.capacity for queue in every),
        high_water=sum(queue.high_water for queue in every),
        passed=sum(queue.passed for queue in every),
        seconds_waiting_to_put=sum(queue.seconds_waiting_to_put for queue in every),
        seconds_waiting_to_get=sum(queue.seconds_waiting_to_get for queue in every),
    )
