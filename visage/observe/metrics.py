"""Prometheus metrics of a pipeline, in a registry that the caller gives.

Timings come from the stages' threads through `Hook`; everything else is read from `Pipeline.statistics()` at each
scrape, so that counting costs a frame nothing. Labels are few: stages, queues, states, and sources while they run (a
file's series ends with it; the totals keep what it counted).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stages.tracks.log import TrackStatistics
from visage.runtime.queue import QueueStatistics
from visage.runtime.state import SourceState
from visage.runtime.statistics import PipelineStatistics, SourceTotals

__all__ = ["PipelineMetrics"]

# From a cached still on a GPU to a batch of large frames on one core.
SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64)


class Watched(Protocol):
    """The part of a pipeline that metrics need; its times are in seconds."""

    def statistics(self) -> PipelineStatistics:
        """Return the counters of this moment; times are in seconds."""


class PipelineMetrics(Collector):
    """A `stages.contract.Hook` and a collector; register it once, then `watch` the pipeline. Times are in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pipeline: Watched | None = None
        self._seconds = Histogram(
            "visage_stage_batch_seconds",
            "Time that a stage took for a batch.",
            ["stage"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._sizes = Histogram(
            "visage_stage_batch_frames",
            "Frames in a stage's batch.",
            ["stage"],
            buckets=SIZE_BUCKETS,
            registry=registry,
        )
        registry.register(self)

    def on_batch(self, stage: str, size: int, seconds: float) -> None:
        """Record the size and the seconds of one batch; called on the stage's thread."""
        self._seconds.labels(stage).observe(seconds)
        self._sizes.labels(stage).observe(size)

    def watch(self, pipeline: Watched) -> None:
        """Report the statistics of this pipeline from now on."""
        self._pipeline = pipeline

    def collect(self) -> Iterable[Metric]:
        """Yield what a scrape shows besides the timings; nothing before `watch`. Waits are in seconds."""
        if self._pipeline is None:
            return
        statistics = self._pipeline.statistics()
        totals = statistics.forgotten
        for source in statistics.sources:
            totals = totals.plus(source)
        yield from _totals(totals)
        yield _states(statistics)
        yield from _running_sources(statistics)
        yield from _queues(statistics, totals)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry need not scrape to learn the names."""
        return ()


def _totals(totals: SourceTotals) -> Iterable[Metric]:
    yield CounterMetricFamily("visage_frames_decoded", "Decoded frames.", totals.frames_decoded)
    yield CounterMetricFamily("visage_frames_looked_at", "Frames given to the detector.", totals.frames_looked_at)
    yield CounterMetricFamily(
        "visage_frames_followed",
        "Frames without detection, through which faces were followed.",
        totals.frames_done - totals.frames_looked_at,
    )
    yield from _tracks(totals.tracks)
    dropped = CounterMetricFamily("visage_frames_dropped", "Frames dropped before analysis.", labels=["reason"])
    dropped.add_metric(["inbox full"], totals.frames_dropped - totals.frames_refused)
    dropped.add_metric(["no buffer"], totals.frames_refused)
    yield dropped
    yield CounterMetricFamily("visage_faces", "Faces that reached the sinks.", totals.faces)


def _tracks(tracks: TrackStatistics) -> Iterable[Metric]:
    yield CounterMetricFamily("visage_tracks", "Tracks that have begun.", tracks.tracks)
    yield CounterMetricFamily("visage_tracks_ended", "Tracks that have ended.", tracks.ended)
    yield CounterMetricFamily(
        "visage_track_lifetime_seconds", "Sum of the lifetimes of tracks that have ended.", tracks.seconds
    )
    yield CounterMetricFamily(
        "visage_track_switches_suspected",
        "Embedded faces unlike their track's earlier ones: the track may have switched to another person.",
        tracks.suspected_switches,
    )


def _states(statistics: PipelineStatistics) -> Metric:
    states = Counter(source.state for source in statistics.sources)
    gauge = GaugeMetricFamily("visage_sources", "Number of sources by state.", labels=["state"])
    for state in SourceState:
        gauge.add_metric([state.value], states[state])
    return gauge


def _running_sources(statistics: PipelineStatistics) -> Iterable[Metric]:
    decoded = CounterMetricFamily(
        "visage_source_frames_decoded", "Decoded frames of a running source.", labels=["source"]
    )
    dropped = CounterMetricFamily(
        "visage_source_frames_dropped", "Dropped frames of a running source.", labels=["source"]
    )
    waiting = GaugeMetricFamily(
        "visage_source_inbox_frames", "Frames of a running source that wait for the detector.", labels=["source"]
    )
    for source in statistics.sources:
        if not source.state.is_final:
            decoded.add_metric([source.source_id], source.frames_decoded)
            dropped.add_metric([source.source_id], source.frames_dropped)
            waiting.add_metric([source.source_id], source.inbox.depth)
    yield from (decoded, dropped, waiting)


def _queues(statistics: PipelineStatistics, totals: SourceTotals) -> Iterable[Metric]:
    depth = GaugeMetricFamily("visage_queue_items", "Number of items that wait in a queue.", labels=["queue"])
    capacity = GaugeMetricFamily(
        "visage_queue_capacity_items", "Maximum number of items that may wait in a queue.", labels=["queue"]
    )
    waits = CounterMetricFamily(
        "visage_queue_wait_seconds",
        "Time threads waited at a queue: to put (it was full), to get (it was empty).",
        labels=["queue", "end"],
    )
    for name, queue in (*statistics.queues.items(), ("detect", _inboxes(statistics, totals))):
        depth.add_metric([name], queue.depth)
        capacity.add_metric([name], queue.capacity)
        waits.add_metric([name, "put"], queue.seconds_waiting_to_put)
        waits.add_metric([name, "get"], queue.seconds_waiting_to_get)
    yield from (depth, capacity, waits)


def _inboxes(statistics: PipelineStatistics, totals: SourceTotals) -> QueueStatistics:
    """All sources' inboxes as one queue, the one before the detector; its time is that of sources past as well."""
    inboxes = [source.inbox for source in statistics.sources]
    return QueueStatistics(
        depth=sum(inbox.depth for inbox in inboxes),
        capacity=sum(inbox.capacity for inbox in inboxes),
        high_water=max((inbox.high_water for inbox in inboxes), default=0),
        passed=sum(inbox.passed for inbox in inboxes),
        seconds_waiting_to_put=totals.seconds_waiting,
        seconds_waiting_to_get=sum(inbox.seconds_waiting_to_get for inbox in inboxes),
    )
