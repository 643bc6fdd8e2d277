"""Threads, queues and lifecycle: how stages become a running pipeline."""

from __future__ import annotations

from visage.runtime.errors import QueueAborted, QueueClosed, RuntimeFailure, StageFailed
from visage.runtime.inboxes import OverflowPolicy
from visage.runtime.limits import PipelineLimits
from visage.runtime.pipeline import Pipeline
from visage.runtime.queue import BoundedQueue, QueueStatistics
from visage.runtime.source import Outcome, SourceStatistics
from visage.runtime.state import PipelineState, SourceState
from visage.runtime.statistics import PipelineStatistics

__all__ = [
    "BoundedQueue",
    "Outcome",
    "OverflowPolicy",
    "Pipeline",
    "PipelineLimits",
    "PipelineState",
    "PipelineStatistics",
    "QueueAborted",
    "QueueClosed",
    "QueueStatistics",
    "RuntimeFailure",
    "SourceState",
    "SourceStatistics",
    "StageFailed",
]
