"""Rules and dashboards: what `promtool` says of them, and that every metric they name is one the daemon has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from tests.unit.visage.observe.test_metrics import Counters, source
from visage.observe.metrics import PipelineMetrics
from visage.observe.service_metrics import ServiceMetrics, ServiceStatus
from visage.runtime.state import SourceState
from visage.service.camera_record import CameraReport

DEPLOY = Path(__file__).parents[3] / "deploy"
PROMTOOL = shutil.which("promtool")
NAME = re.compile(r"\b(?:visage|process)_\w+")


@pytest.fixture
def exposition() -> str:
    """What a scrape of a busy daemon gets."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    pipeline, service = PipelineMetrics(registry), ServiceMetrics(registry)
    pipeline.on_batch("detect", 4, 0.01)
    pipeline.watch(Counters((source("door", SourceState.RUNNING, 100),)))
    service.observe_latency("camera", 0.2)
    service.watch(
        lambda: ServiceStatus(
            cameras=[CameraReport("door", "running", "", "rtsp://door/main", 9.8, 98, 0, 7, 1, 2)],
            files={"done": 3},
            events={"track_started": 1},
            outbox={"mqtt": 1},
            outbox_dropped={"mqtt": 0},
            rejected={"hook": 0},
            gpu_memory_bytes=(1, 2),
        )
    )
    return generate_latest(registry).decode()


def expressions() -> Iterator[str]:
    for group in yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads((DEPLOY / "grafana" / "visage.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_every_metric_named_is_real(exposition: str) -> None:
    real = {line.split("{")[0].split(" ")[0] for line in exposition.splitlines() if not line.startswith("#")}
    named = {name for expression in expressions() for name in NAME.findall(expression.replace("visage:", "recorded:"))}
    assert len(named) > 15
    assert named <= real, named - real


def test_states_named_are_real() -> None:
    from visage.observe.service_metrics import CAMERA_STATES  # noqa: PLC0415
    from visage.service.ledger import JobState  # noqa: PLC0415

    states = {state.value for state in JobState} | set(CAMERA_STATES)
    for expression in expressions():
        for found in re.findall(r'state=~?"([^"]+)"', expression):
            assert set(found.split("|")) <= states


def test_labels_are_few_and_hold_no_address(exposition: str) -> None:
    labels = {label for line in exposition.splitlines() for label in re.findall(r'[{,](\w+)="', line)}
    assert labels <= {
        *("stage", "le", "queue", "end", "source", "state", "reason", "kind", "type", "receiver", "version", "python"),
    }


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (apt install prometheus)")
@pytest.mark.parametrize(
    "arguments",
    [["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"], ["check", "config", "prometheus.yaml"]],
    ids=" ".join,
)
def test_promtool_agrees(arguments: list[str]) -> None:
    found = subprocess.run(
        [str(PROMTOOL), *arguments], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (apt install prometheus)")
def test_promtool_likes_our_metrics(exposition: str) -> None:
    found = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=exposition, capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stdout + found.stderr
