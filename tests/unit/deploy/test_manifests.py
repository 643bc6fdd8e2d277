"""What can't be built here is read: images, compose, systemd and Kubernetes say what the daemon needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from visage.config import Settings
from visage.config.service import ServiceConfig
from visage.web.api import health

DEPLOY = Path(__file__).parents[3] / "deploy"
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")
RAY_VERSION = re.findall(r'"ray>=([\d.]+)', (DEPLOY.parent / "pyproject.toml").read_text())[0]
ROUTES = {route.path for route in health.router.routes if hasattr(route, "path")}


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_images_run_as_nobody_in_particular(name: str) -> None:
    text = (DEPLOY / name).read_text()
    instructions = [line.split()[0] for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    last_stage = text[text.rindex("FROM ") :]
    assert re.search(r"^USER \d+:\d+$", last_stage, re.MULTILINE)
    assert "ADD" not in instructions
    assert "--no-cache-dir" in text
    assert not re.search(r"FROM \S+:latest|FROM [^:\s]+(\s|$)", text)
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for path in copied.split():
            assert (DEPLOY.parent / path).exists(), path
    (checked,) = re.findall(r"http://127\.0\.0\.1:8080(/\w+)", last_stage)
    assert checked in ROUTES


def test_compose_names_files_that_exist() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert set(services) == {"visage", "qdrant", "prometheus", "grafana"}
    for service in services.values():
        assert ":" in service["image"] or "build" in service
        for volume in service["volumes"]:
            path = volume.partition(":")[0]
            if path.startswith("./") and path != "./config":  # the user's own
                assert (DEPLOY / path).exists(), path
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_compose_points_the_daemon_at_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name, value in services["visage"]["environment"].items():
        monkeypatch.setenv(name, value)
    index = urlsplit(str(ServiceConfig().analysis.index_url))
    assert f"127.0.0.1:{index.port}:{index.port}" in services["qdrant"]["ports"]
    assert services["visage"]["depends_on"] == ["qdrant"]


def test_compose_pins_a_server_that_fits_the_client() -> None:
    """Seen in 2026-11: client 1.20 beside server 1.15. The image installs the newest client; tests may run an older."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    major, minor, _ = services["qdrant"]["image"].rpartition(":v")[2].split(".")
    client = version("qdrant-client").split(".")
    assert client[0] == major
    assert int(client[1]) - int(minor) <= 1, "raise the server's version in compose.yaml"


def test_every_image_has_an_exact_version() -> None:
    named = re.findall(r"^ *image: (\S+:\S+)", (DEPLOY / "compose.yaml").read_text(), re.MULTILINE)
    for name in ("Dockerfile", "Dockerfile.cuda"):
        named += re.findall(r"^FROM (\S+)", (DEPLOY / name).read_text(), re.MULTILINE)
    assert len(named) == 7
    assert [image for image in named if not re.search(r":v?\d+\.\d+\.\d+", image)] == []


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_images_hold_what_the_configuration_can_ask_for(name: str) -> None:
    text = (DEPLOY / name).read_text()
    (extras,) = re.findall(r"pip install .*'\.\[([\w,-]+)\]'", text)
    known = re.findall(r"^([\w-]+) = \[", (DEPLOY.parent / "pyproject.toml").read_text(), re.MULTILINE)
    assert {"serve", "qdrant", "encryption"} <= set(extras.split(",")) <= set(known)
    told = set(re.findall(r"\b(VISAGE_\w+)=", text))
    assert told <= {f"VISAGE_{field.upper()}" for field in Settings.model_fields}


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="needs systemd-analyze")
def test_the_unit_is_understood(tmp_path: Path) -> None:
    # Its program is not installed here.
    unit = tmp_path / "visage.service"
    text = (DEPLOY / "systemd" / "visage.service").read_text()
    unit.write_text(text.replace("/opt/visage/bin/visage", "/bin/true"))
    found = subprocess.run(
        [str(SYSTEMD_ANALYZE), "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "visage.service" not in found.stderr, found.stderr


def test_the_unit_is_hardened_and_watched() -> None:
    text = (DEPLOY / "systemd" / "visage.service").read_text()
    for line in ("Type=notify", "NoNewPrivileges=yes", "ProtectSystem=strict", "User=visage", "CapabilityBoundingSet="):
        assert f"\n{line}\n" in text
    assert re.search(r"^WatchdogSec=\d+$", text, re.MULTILINE)


def test_kubernetes_asks_where_the_daemon_answers() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "visage.yaml").read_text()))
    assert [document["kind"] for document in documents] == ["StatefulSet", "Service"]
    pod = documents[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] in ROUTES
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod["terminationGracePeriodSeconds"] > 15  # the drain, and then some
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {"state", *(volume["name"] for volume in pod["volumes"])}


def test_a_ray_cluster_has_a_token_and_closed_ports() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "ray-cluster.yaml").read_text()))
    kinds = {document["kind"]: document for document in documents}
    assert set(kinds) == {"RayJob", "PersistentVolumeClaim", "NetworkPolicy"}
    cluster = kinds["RayJob"]["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    labels = kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    for group in groups:
        assert group["template"]["metadata"]["labels"].items() >= labels.items()
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        environment = {one["name"]: one for one in container["env"]}
        assert environment["RAY_AUTH_MODE"]["value"] == "token"
        assert "secretKeyRef" in environment["RAY_AUTH_TOKEN"]["valueFrom"]
        claims = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= claims
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert f"{RAY_VERSION}." in cluster["rayVersion"]


def test_the_slurm_script_is_sound_and_names_real_options() -> None:
    script = DEPLOY / "slurm" / "visage.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text()
    for variable in ("RAY_AUTH_MODE=token", "RAY_AUTH_TOKEN", "VISAGE_CLUSTER_DIR"):
        assert variable in text
    assert "--cluster" in text
