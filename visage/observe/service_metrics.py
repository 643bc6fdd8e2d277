"""Prometheus metrics of the daemon, besides those of its pipeline: sources, events, files, latency.

Read from the parts at each scrape; only what is measured per frame is counted here, by the sink that each source gets
from `tally`. A source's series ends when it is removed. Labels are sources, states, types and receivers, all named in
the configuration; none holds an address.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from stages.frames import Observation
from stages.sink.base import Sink
from visage import __version__

__all__ = ["CAMERA_STATES", "CameraCounts", "ServiceMetrics", "ServiceStatus", "TallySink", "process_registry"]

LATENCY_BUCKETS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)


class CameraCounts(Protocol):
    """The part of a camera's report that metrics need; `state` is one of `CAMERA_STATES`."""

    @property
    def source_id(self) -> str:
        """The camera's name in the configuration."""

    @property
    def state(self) -> str:
        """Its state, one of `CAMERA_STATES`."""

    @property
    def reconnects(self) -> int:
        """Number of reconnections since the daemon started."""

    @property
    def frames_capped(self) -> int:
        """Frames skipped because of the configured frame rate."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The counters of the daemon at one moment; GPU memory is in bytes.

    Attributes:
        files: jobs of the ledger by state.
        events: published so far, by type.
        outbox: events that wait, by receiver.
        outbox_dropped: dropped for want of room, by receiver.
        rejected: refused for good, by receiver.
        gpu_memory_bytes: used and total, where there is a card.
    """

    cameras: Sequence[CameraCounts] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    outbox: Mapping[str, int] = field(default_factory=dict)
    outbox_dropped: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    gpu_memory_bytes: tuple[int, int] | None = None


CAMERA_STATES = ("waiting", "connecting", "running", "reconnecting", "paused", "scheduled_off", "failed")


class ServiceMetrics(Collector):
    """A collector of the daemon's metrics; register it once, then `watch` the daemon. Latency is in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.embeddings = 0
        self.identified = 0
        self._read: Callable[[], ServiceStatus] | None = None
        self._latency = Histogram(
            "visage_latency_seconds",
            "Time from a frame's capture until its faces have reached the sinks and its events are published.",
            ["kind"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        registry.register(self)

    def watch(self, read: Callable[[], ServiceStatus]) -> None:
        """Read the status from this callable at every scrape."""
        self._read = read

    def tally(self) -> TallySink:
        """Return a sink that counts the embeddings and identities of one source."""
        return TallySink(self)

    def observe_latency(self, kind: str, seconds: float) -> None:
        """Record the seconds from a frame's capture until its events are published."""
        self._latency.labels(kind).observe(seconds)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry need not scrape to learn the names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield what a scrape shows besides the latency; memory is in bytes."""
        yield InfoMetricFamily(
            "visage_build",
            "Versions of Visage and Python.",
            value={"version": __version__, "python": platform.python_version()},
        )
        yield CounterMetricFamily("visage_embeddings", "Faces embedded.", self.embeddings)
        yield CounterMetricFamily("visage_identities", "Faces with a decided identity.", self.identified)
        if self._read is None:
            return
        reading = self._read()
        yield from _cameras(reading.cameras)
        yield _by("gauge", "visage_files", "Number of files in the ledger by state.", "state", reading.files)
        yield _by("counter", "visage_events", "Events published.", "type", reading.events)
        yield _by("gauge", "visage_outbox_events", "Events that wait for a receiver.", "receiver", reading.outbox)
        yield _by(
            "counter",
            "visage_outbox_dropped",
            "Events dropped because too many waited.",
            "receiver",
            reading.outbox_dropped,
        )
        yield _by(
            "counter",
            "visage_outbox_rejected",
            "Events that a receiver refused for good.",
            "receiver",
            reading.rejected,
        )
        if reading.gpu_memory_bytes is not None:
            used, total = reading.gpu_memory_bytes
            yield _by(
                "gauge",
                "visage_gpu_memory_bytes",
                "Used and total memory of the GPU.",
                "kind",
                {"used": used, "total": total},
            )


class TallySink(Sink):
    """Counts embeddings and identified faces; keeps and raises nothing."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._metrics = metrics

    def write(self, observation: Observation) -> None:
        """Count the frame's embeddings, float32 (N, D), whose rows are not all zero, and its identities."""
        faces = observation.faces
        if faces.embeddings is not None:
            self._metrics.embeddings += int(np.any(faces.embeddings, axis=1).sum())
        if faces.identities is not None:
            self._metrics.identified += sum(identity is not None for identity in faces.identities)


def process_registry() -> CollectorRegistry:
    """Return a new registry with the process's own metrics: memory in bytes, files, CPU seconds, garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _cameras(cameras: Sequence[CameraCounts]) -> Iterable[Metric]:
    states = GaugeMetricFamily("visage_camera_state", "1 for the state a camera is in.", labels=["source", "state"])
    reconnects = CounterMetricFamily("visage_camera_reconnects", "Number of reconnections.", labels=["source"])
    capped = CounterMetricFamily(
        "visage_camera_frames_capped", "Frames skipped because of the configured frame rate.", labels=["source"]
    )
    for camera in cameras:
        for state in CAMERA_STATES:
            states.add_metric([camera.source_id, state], float(camera.state == state))
        reconnects.add_metric([camera.source_id], camera.reconnects)
        capped.add_metric([camera.source_id], camera.frames_capped)
    yield from (states, reconnects, capped)


def _by(kind: str, name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily if kind == "gauge" else CounterMetricFamily
    metric = family(name, text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric
