"""A scrape reads the pipeline's own counters; timings come through the hook."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from stages.tracks.log import TrackStatistics
from visage.observe.metrics import PipelineMetrics
from visage.runtime.queue import QueueStatistics
from visage.runtime.source import SourceStatistics
from visage.runtime.state import PipelineState, SourceState
from visage.runtime.statistics import PipelineStatistics, SourceTotals

INBOX = QueueStatistics(
    depth=2, capacity=8, high_water=8, passed=90, seconds_waiting_to_put=1.5, seconds_waiting_to_get=0.0
)
SINK = QueueStatistics(
    depth=1, capacity=8, high_water=3, passed=80, seconds_waiting_to_put=0.25, seconds_waiting_to_get=4.0
)
TRACKS = TrackStatistics(tracks=2, ended=1, seconds=1.5, suspected_switches=3)


@dataclass
class Counters:
    """A pipeline that is nothing but its statistics."""

    sources: tuple[SourceStatistics, ...]
    forgotten: SourceTotals = field(default_factory=SourceTotals)

    def statistics(self) -> PipelineStatistics:
        return PipelineStatistics(PipelineState.RUNNING, self.sources, (), {"sink": SINK}, self.forgotten)


def source(source_id: str, state: SourceState, decoded: int) -> SourceStatistics:
    return SourceStatistics(
        source_id,
        state,
        decoded,
        decoded - 10,
        3,
        7,
        None,
        1.0,
        1.0,
        INBOX,
        frames_looked_at=decoded - 30,
        frames_refused=1,
        tracks=TRACKS,
    )


def counters(registry: CollectorRegistry) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every counter's value by its name and labels."""
    return {
        (sample.name, tuple(sample.labels[label] for label in sorted(sample.labels, reverse=True))): sample.value
        for family in registry.collect()
        if family.type == "counter"
        for sample in family.samples
    }


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> PipelineMetrics:
    return PipelineMetrics(registry)


def test_totals_count_ended_sources_too(registry: CollectorRegistry, metrics: PipelineMetrics) -> None:
    metrics.watch(Counters((source("a", SourceState.RUNNING, 100), source("b", SourceState.DONE, 50))))
    value = registry.get_sample_value
    assert value("visage_frames_decoded_total") == 150
    assert value("visage_frames_looked_at_total") == 90
    assert value("visage_frames_followed_total") == 40
    assert value("visage_tracks_total") == 4
    assert value("visage_tracks_ended_total") == 2
    assert value("visage_track_lifetime_seconds_total") == 3.0
    assert value("visage_track_switches_suspected_total") == 6
    assert value("visage_frames_dropped_total", {"reason": "inbox full"}) == 4
    assert value("visage_frames_dropped_total", {"reason": "no buffer"}) == 2
    assert value("visage_faces_total") == 14
    assert value("visage_sources", {"state": "running"}) == 1
    assert value("visage_sources", {"state": "failed"}) == 0


def test_only_sources_that_run_have_series_of_their_own(registry: CollectorRegistry, metrics: PipelineMetrics) -> None:
    metrics.watch(Counters((source("a", SourceState.RUNNING, 100), source("b", SourceState.DONE, 50))))
    assert registry.get_sample_value("visage_source_frames_decoded_total", {"source": "a"}) == 100
    assert registry.get_sample_value("visage_source_frames_decoded_total", {"source": "b"}) is None


def test_queues_tell_depth_and_waits(registry: CollectorRegistry, metrics: PipelineMetrics) -> None:
    metrics.watch(Counters((source("a", SourceState.RUNNING, 100), source("b", SourceState.RUNNING, 50))))
    value = registry.get_sample_value
    assert value("visage_queue_items", {"queue": "sink"}) == 1
    assert value("visage_queue_items", {"queue": "detect"}) == 4
    assert value("visage_queue_wait_seconds_total", {"queue": "detect", "end": "put"}) == 3.0
    assert value("visage_queue_wait_seconds_total", {"queue": "sink", "end": "get"}) == 4.0


def test_no_counter_goes_down_when_sources_are_forgotten(registry: CollectorRegistry, metrics: PipelineMetrics) -> None:
    ended = (source("a", SourceState.DONE, 100), source("b", SourceState.DONE, 50))
    metrics.watch(Counters(ended))
    before = counters(registry)
    metrics.watch(Counters((), SourceTotals().plus(ended[0]).plus(ended[1])))
    assert before["visage_queue_wait_seconds_total", ("detect", "put")] == 3.0
    assert counters(registry) == before


def test_batches_are_timed_and_sized(registry: CollectorRegistry, metrics: PipelineMetrics) -> None:
    metrics.on_batch("detect", 4, 0.02)
    metrics.on_batch("detect", 2, 0.01)
    assert registry.get_sample_value("visage_stage_batch_seconds_sum", {"stage": "detect"}) == pytest.approx(0.03)
    assert registry.get_sample_value("visage_stage_batch_frames_sum", {"stage": "detect"}) == 6
    assert registry.get_sample_value("visage_stage_batch_frames_bucket", {"stage": "detect", "le": "2.0"}) == 1


def test_before_a_pipeline_there_is_nothing_to_read(registry: CollectorRegistry, metrics: PipelineMetrics) -> None:
    assert b"visage_frames" not in generate_latest(registry)


def test_two_registries_do_not_know_each_other() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    PipelineMetrics(first).on_batch("detect", 1, 0.1)
    PipelineMetrics(second)
    assert second.get_sample_value("visage_stage_batch_frames_count", {"stage": "detect"}) is None
