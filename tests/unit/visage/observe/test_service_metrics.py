"""What a scrape of the daemon says, from the numbers that its parts report."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from stages.frames import Faces, Frame, Identity, Observation
from visage.observe.service_metrics import CAMERA_STATES, ServiceMetrics, ServiceStatus, process_registry


@dataclass
class Camera:
    """Implements `CameraCounts`."""

    source_id: str
    state: str
    reconnects: int = 0
    frames_capped: int = 0


class Blank:
    """A picture that is not looked at."""

    width = height = 8
    pixel_aspect = 1.0

    def release(self) -> None:
        """Nothing is held."""


STATUS = ServiceStatus(
    cameras=(Camera("door", "running", 3, 40), Camera("garden", "failed")),
    files={"done": 7, "failed": 1},
    events={"track_started": 9},
    outbox={"mqtt": 2},
    outbox_dropped={"mqtt": 5},
    rejected={"webhook/hook": 1},
)


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    """Each series of a scrape, as Prometheus would store it."""
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def observation(embeddings: list[list[float]] | None, identities: list[Identity | None] | None) -> Observation:
    count = len(embeddings or identities or [])
    faces = Faces(
        np.zeros((count, 4), np.float32),
        np.zeros(count, np.float32),
        embeddings=None if embeddings is None else np.array(embeddings, np.float32),
        identities=None if identities is None else tuple(identities),
    )
    return Observation(Frame("door", 0, 0.0, Blank()), faces)


def test_before_the_daemon_is_watched_only_what_is_counted_here_is_shown() -> None:
    registry = CollectorRegistry()
    ServiceMetrics(registry)
    found = scraped(registry)
    assert found["visage_embeddings_total"] == found["visage_identities_total"] == 0
    assert not any(name.startswith(("visage_camera", "visage_files", "visage_outbox")) for name in found)


def test_a_scrape_shows_the_status_of_its_moment() -> None:
    registry = CollectorRegistry()
    metrics = ServiceMetrics(registry)
    status = STATUS
    metrics.watch(lambda: status)
    found = scraped(registry)
    assert found['visage_camera_reconnects_total{source="door"}'] == 3
    assert found['visage_camera_frames_capped_total{source="door"}'] == 40
    assert found['visage_files{state="done"}'] == 7
    assert found['visage_events_total{type="track_started"}'] == 9
    assert found['visage_outbox_events{receiver="mqtt"}'] == 2
    assert found['visage_outbox_dropped_total{receiver="mqtt"}'] == 5
    assert found['visage_outbox_rejected_total{receiver="webhook/hook"}'] == 1
    assert not any("gpu" in name for name in found), "no card, no series of one"
    status = replace(STATUS, cameras=(), gpu_memory_bytes=(3, 10))
    found = scraped(registry)
    assert not any("door" in name for name in found), "a camera's series ends with it"
    assert found['visage_gpu_memory_bytes{kind="used"}'] == 3
    assert found['visage_gpu_memory_bytes{kind="total"}'] == 10


@pytest.mark.parametrize("state", CAMERA_STATES)
def test_a_camera_is_in_one_state_of_all(state: str) -> None:
    registry = CollectorRegistry()
    ServiceMetrics(registry).watch(lambda: ServiceStatus(cameras=(Camera("door", state),)))
    found = scraped(registry)
    states = {name: found[f'visage_camera_state{{source="door",state="{name}"}}'] for name in CAMERA_STATES}
    assert states == {name: float(name == state) for name in CAMERA_STATES}


def test_faces_are_counted_by_what_is_known_of_them() -> None:
    """A row of zeros was not embedded; a face without an identity was not decided."""
    registry = CollectorRegistry()
    metrics = ServiceMetrics(registry)
    first, second = metrics.tally(), metrics.tally()
    ada = Identity("p1", "Ada", 0.7, 0.0)
    first.write(observation([[1, 0], [0, 0], [0, 1]], [ada, None, ada]))
    second.write(observation([[1, 0]], None))
    second.write(observation(None, [ada]))
    second.write(observation(None, None))
    found = scraped(registry)
    assert found["visage_embeddings_total"] == 3
    assert found["visage_identities_total"] == 3


def test_latency_falls_into_its_bucket_by_kind() -> None:
    registry = CollectorRegistry()
    metrics = ServiceMetrics(registry)
    for seconds in (0.03, 0.4, 60.0):
        metrics.observe_latency("camera", seconds)
    found = scraped(registry)
    assert found['visage_latency_seconds_bucket{kind="camera",le="0.025"}'] == 0
    assert found['visage_latency_seconds_bucket{kind="camera",le="0.05"}'] == 1
    assert found['visage_latency_seconds_bucket{kind="camera",le="0.5"}'] == 2
    assert found['visage_latency_seconds_count{kind="camera"}'] == 3
    assert found['visage_latency_seconds_sum{kind="camera"}'] == pytest.approx(60.43)


def test_the_process_s_own_registry_shows_memory_and_nothing_of_another() -> None:
    found = scraped(process_registry())
    assert found["process_resident_memory_bytes"] > 1 << 20
    assert not any(name.startswith("visage_") for name in found)
