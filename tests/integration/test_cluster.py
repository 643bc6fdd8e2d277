"""Runs over a Ray cluster, with real networks and real clips: what one machine finds, and nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.media import Media
from tests.servers.ray_campaign import Campaign
from tests.servers.ray_cluster import RayCluster
from visage.config import Settings
from visage.models import ModelStore
from visage.people import gallery_of

pytest.importorskip("ray", reason="Ray is not installed: pip install 'visage-video[cluster]'")

pytestmark = [pytest.mark.usefixtures("models"), pytest.mark.slow]

CLIPS = ("single_face.mp4", "face_noface.mov", "no_face.mp4")
BOUND_SECONDS = 240.0
TABLES = ("detections.csv", "embeddings.hdf5", "tracks.csv", "tracks.parquet")
OPTIONS = ("--frameskip", "4")


def visage(
    arguments: Sequence[object], model_dir: Path, state: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from visage.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(
        [*command, "--model-dir", str(model_dir)],
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
        env={**(environment or os.environ), "VISAGE_CLUSTER_DIR": str(state)},
    )


def sightings(gallery: Path, model_dir: Path) -> list[tuple[str, float, float]]:
    """Where and when somebody was seen."""
    opened = gallery_of(Settings(gallery=gallery, model_dir=model_dir, embedder="sface"), create=False)
    try:
        return sorted((one.source, one.start_seconds, one.end_seconds) for one in opened.sightings(limit=1000))
    finally:
        opened.close()


def assert_same_tables(one: Path, other: Path, names: Sequence[str]) -> None:
    for name in names:
        for table in TABLES:
            assert (one / name / table).read_bytes() == (other / name / table).read_bytes(), f"{name}/{table}"
        assert sorted(path.name for path in (other / name).iterdir()) == sorted([*TABLES, "metadata.json"])


@pytest.mark.timeout(300)
def test_a_cluster_of_this_machine_finds_what_one_process_finds(
    media: Media, models: ModelStore, tmp_path: Path
) -> None:
    clips = [media.path(name) for name in CLIPS]
    missing = tmp_path / "none.mp4"
    for place, more in (("alone", []), ("cluster", ["--cluster", "local"])):
        done = visage(
            ["run", *clips, missing, *OPTIONS, "--dst", tmp_path / place, "--gallery", tmp_path / f"g-{place}", *more],
            models.model_dir,
            tmp_path / "state",
        )
        assert done.returncode == 1, done.stderr
        assert f"{missing} does not exist" in done.stderr
        assert "Traceback" not in done.stderr
    assert_same_tables(tmp_path / "alone", tmp_path / "cluster", [Path(name).stem for name in CLIPS])
    assert not (tmp_path / "cluster" / "none").exists()
    found = sightings(tmp_path / "g-cluster", models.model_dir)
    assert found == sightings(tmp_path / "g-alone", models.model_dir)
    assert found
    assert not list((tmp_path / "state").glob("*/ledger.sqlite")), "nothing is left to do"


@pytest.mark.timeout(300)
def test_one_table_holds_the_films_of_all_workers(media: Media, models: ModelStore, tmp_path: Path) -> None:
    clips = [media.path(name) for name in CLIPS]
    tables = {}
    for place, more in (("alone", []), ("cluster", ["--cluster", "local"])):
        table = tmp_path / f"{place}.parquet"
        done = visage(["run", *clips, *OPTIONS, "--dst", table, *more], models.model_dir, tmp_path / "state")
        assert done.returncode == 0, done.stderr
        with pyarrow.parquet.ParquetFile(table) as file:
            tables[place] = file.read()
    assert tables["cluster"].equals(tables["alone"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.parquet", "cluster.parquet", "state"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", r"127.0.0.1:1: no cluster answers there"),
        ("nowhere", r"nowhere: the address of a Ray cluster is HOST:PORT of its head, or local"),
    ],
)
def test_a_cluster_that_is_not_there_is_told_in_one_line(
    media: Media, models: ModelStore, tmp_path: Path, address: str, said: str
) -> None:
    done = visage(["run", media.path(CLIPS[0]), "--cluster", address], models.model_dir, tmp_path / "state")
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.timeout(300)
def test_an_interrupted_run_goes_on_where_it_was(media: Media, models: ModelStore, tmp_path: Path) -> None:
    """Ctrl-C comes when the first film is complete: those being read are marked as incomplete, and done later."""
    films = tmp_path / "films"
    films.mkdir()
    for number in range(6):
        shutil.copy(media.path("face_noface.mov"), films / f"film-{number}.mov")
    out, state = tmp_path / "out", tmp_path / "state"
    arguments = ["run", films, "--dst", out, "--cluster", "local", "--model-dir", models.model_dir]
    with subprocess.Popen(
        [sys.executable, "-c", "from visage.cli.main import main; main()", *map(str, arguments)],
        env={**os.environ, "VISAGE_CLUSTER_DIR": str(state)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        until = time.monotonic() + BOUND_SECONDS
        while not list(out.glob("*/metadata.json")) and time.monotonic() < until and command.poll() is None:
            time.sleep(0.1)
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=BOUND_SECONDS)
    assert command.returncode == 130, said
    before = {path.parent.name: json.loads(path.read_text())["complete"] for path in out.glob("*/metadata.json")}
    assert any(before.values())
    assert sum(before.values()) < 6
    done = visage(arguments[:-2], models.model_dir, state)
    assert done.returncode == 0, done.stderr
    assert "this run was stopped before its end" in done.stderr
    after = {path.parent.name: json.loads(path.read_text())["complete"] for path in out.glob("*/metadata.json")}
    assert after == {f"film-{number}": True for number in range(6)}
    assert not list(out.glob("*/.attempt-*"))


@pytest.mark.timeout(400)
def test_machines_differ_in_folders_and_networks(media: Media, models: ModelStore, tmp_path: Path) -> None:
    """One node has the films elsewhere and lacks the networks; one lacks the films' root, and gets none of them."""
    here, there = tmp_path / "films", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        for number in range(4):
            shutil.copy(media.path("single_face.mp4"), folder / f"film-{number}.mp4")
    own = {
        "elsewhere": {"VISAGE_ROOTS": f"archive={there}", "VISAGE_MODEL_DIR": str(tmp_path / "networks")},
        "without": {"VISAGE_ROOTS": f"archive={tmp_path / 'not-mounted'}"},
    }
    roots = {"VISAGE_ROOTS": f"archive={here}"}
    alone = visage(["run", here, *OPTIONS, "--dst", tmp_path / "alone"], models.model_dir, tmp_path / "state")
    assert alone.returncode == 0, alone.stderr
    with RayCluster(tuple(own), own=own) as cluster:
        environment = {**cluster.environment, **roots}
        arguments = ["run", here, *OPTIONS, "--dst", tmp_path / "out", "--cluster", cluster.address]
        done = visage([*arguments, "--log-level", "info"], models.model_dir, tmp_path / "state", environment)
        assert done.returncode == 0, done.stderr
        status = subprocess.run(
            [sys.executable, "-c", "from visage.cli.main import main; main()", "cluster", "status"],
            capture_output=True,
            text=True,
            timeout=BOUND_SECONDS,
            check=True,
            env={**environment, "RAY_ADDRESS": cluster.address},
        )
    assert status.stdout == f"no run of Visage is at work on {cluster.address}\n"
    assert_same_tables(tmp_path / "alone", tmp_path / "out", [f"film-{number}" for number in range(4)])
    filepath = json.loads((tmp_path / "out" / "film-0" / "metadata.json").read_text())["filepath"]
    assert filepath == str(here / "film-0.mp4"), "films are named as this machine does"
    assert (tmp_path / "networks").is_dir()


@pytest.mark.timeout(600)
def test_every_film_is_complete_once_whatever_is_killed(media: Media, models: ModelStore, tmp_path: Path) -> None:
    """Three nodes and twenty films: a worker process, a raylet and the coordinator are killed, a node is frozen."""
    folder = tmp_path / "films"
    folder.mkdir()
    names = [f"film-{number:02d}" for number in range(20)]
    for name in names:
        shutil.copy(media.path("single_face.mp4"), folder / f"{name}.mp4")
    films = sorted(folder.iterdir())
    options = [*OPTIONS, "--model-dir", str(models.model_dir), "--gallery", str(tmp_path / "gallery")]
    alone = visage(
        ["run", *films, *OPTIONS, "--dst", tmp_path / "alone", "--gallery", tmp_path / "g-alone"],
        models.model_dir,
        tmp_path / "state",
    )
    assert alone.returncode == 0, alone.stderr
    nodes = ("n1", "n2", "n3")
    with RayCluster(nodes) as cluster:
        campaign = Campaign(cluster, nodes, films, tmp_path / "out", tmp_path / "state", command=options)
        code = campaign.run(["worker", "coordinator", "raylet", "freeze"], films_between=2, timeout_seconds=240)
    log = (tmp_path / "coordinator.log").read_text()
    assert code == 0, log[-2000:]
    assert [row.event for row in campaign.rows] == ["worker", "coordinator", "raylet", "freeze"]
    assert_same_tables(tmp_path / "alone", tmp_path / "out", names)
    assert sightings(tmp_path / "gallery", models.model_dir) == sightings(tmp_path / "g-alone", models.model_dir)
    assert "Traceback" not in log
