"""The daemon as people run it: a process with a file, cameras, folders, signals and crashes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.media import Media
from tests.servers.rtsp import RtspServer, rtsp_missing
from visage.models import ModelStore
from visage.service.ledger import JobState, Ledger
from visage.web.errors import LocalAccessError
from visage.web.local import LocalToken

BOUND_SECONDS = 60.0
CLIPS = 6
KILLS = 5
VISAGE = (sys.executable, "-c", "from visage.cli.main import main; main()")


class Service:
    """`visage serve` in a folder of its own. `config` is laid over what every test needs."""

    def __init__(self, folder: Path, models: ModelStore, **config: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.folder = folder
        self.config = folder / "visage.json"  # JSON is YAML
        self.events = folder / "events.jsonl"
        self.values: dict[str, object] = {
            "state_dir": str(folder / "state"),
            "analysis": {"model_dir": str(models.model_dir), "device": "cpu"},
            "events": {"jsonl": str(self.events)},
            "web": {
                "port": self.port,
                "token_file": str(folder / "tokens.json"),
                "audit_file": str(folder / "audit.jsonl"),
            },
            **config,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = dict(os.environ)
        self._ledger: Ledger | None = None
        self.write()

    def write(self) -> None:
        self.config.write_text(json.dumps(self.values))

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [*VISAGE, "serve", "--config", str(self.config)],
                stderr=log,
                env=self.environment,
            )
        return self.process

    def ledger(self) -> Ledger:
        self._ledger = self._ledger or Ledger(self.folder / "state" / "ledger.sqlite")
        return self._ledger

    def headers(self) -> dict[str, str]:
        """What the user who runs the daemon sends, once it listens."""
        return {"authorization": f"Bearer {LocalToken.read(self.folder / 'state' / 'local.json').token}"}

    def link(self) -> str:
        """A link that signs in, from `visage open`."""
        command = [*VISAGE, "open", "--state-dir", str(self.folder / "state"), "--no-browser"]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def sources(self) -> dict[str, dict[str, object]]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/api/v1/sources", headers=self.headers(), timeout=5)
        except (httpx.TransportError, LocalAccessError):  # not yet, or no more
            return {}
        return {source["source_id"]: source for source in answer.json()}

    def metrics(self) -> dict[str, float]:
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", headers=self.headers(), timeout=5).text
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def wait_for(self, what: Callable[[], bool], *, seconds: float = BOUND_SECONDS) -> float:
        """Ask until it is so; how long that took."""
        started = time.monotonic()
        while not what():
            assert time.monotonic() - started < seconds, self.log()
            assert self.process is None or self.process.poll() is None, self.log()
            time.sleep(0.05)  # another process: nothing here to wait on
        return time.monotonic() - started

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()[-4000:]

    def close(self) -> None:
        if self.process is not None:
            self.stop(signal.SIGKILL)
        if self._ledger is not None:
            self._ledger.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(number)
        return process.wait(BOUND_SECONDS)


@pytest.fixture
def services() -> Iterator[list[Service]]:
    """Whatever a test started is gone after it."""
    started: list[Service] = []
    yield started
    for service in started:
        service.close()


@pytest.fixture
def camera(media: Media) -> Iterator[RtspServer]:
    missing = rtsp_missing()
    if missing:
        pytest.skip(missing)
    server = RtspServer(picture=media.path("obama.jpg"))
    yield server
    server.stop()


def clips(folder: Path, media: Media, count: int) -> Path:
    """So many clips with faces, no two alike."""
    folder.mkdir()
    source = media.path("single_face.mp4").read_bytes()
    for number in range(count):
        # What follows the last box of an MP4 is not looked at.
        (folder / f"clip{number:02d}.mp4").write_bytes(source + f"____free{number:02d}".encode())
    return folder


def is_done(service: Service, count: int) -> Callable[[], bool]:
    ledger = service.ledger()

    def check() -> bool:
        counts = ledger.counts()
        assert not counts[JobState.FAILED], ledger.jobs(JobState.FAILED)
        return counts[JobState.DONE] + counts[JobState.SET_ASIDE] == count

    return check


def boxes(service: Service, camera: str) -> list[list[float]]:
    """Of all tracks that began, pixels."""
    told = [json.loads(line) for line in service.events.read_text().splitlines()]
    return [event["track"]["box"] for event in told if (event["type"], event["source"]) == ("track_started", camera)]


def watched(path: Path, **more: object) -> dict[str, object]:
    return {"films": {"path": str(path), "settle_seconds": 0.1, **more}}


@pytest.mark.slow
def test_every_file_is_complete_once_however_often_the_process_is_killed(
    tmp_path: Path, media: Media, models: ModelStore, services: list[Service]
) -> None:
    """SIGKILL at random moments, then let it finish: one completion a file, all outputs whole, nothing half there."""
    folder = clips(tmp_path / "films", media, CLIPS)
    service = Service(tmp_path, models, folders=watched(folder, output=str(tmp_path / "out")))
    services.append(service)
    moments = random.Random(7)  # not a secret
    for _ in range(KILLS):
        service.start()
        time.sleep(moments.uniform(0.5, 4.0))  # the moment is the test
        service.stop(signal.SIGKILL)
    service.start()
    service.wait_for(is_done(service, CLIPS))
    assert service.stop() == 0, service.log()
    jobs = service.ledger().jobs()
    assert [(job.state, job.completions) for job in jobs] == [(JobState.DONE, 1)] * CLIPS
    assert not list((tmp_path / "out").rglob("*.part"))
    rows = set()
    for number in range(CLIPS):
        results = tmp_path / "out" / f"clip{number:02d}.mp4.visage"
        assert json.loads((results / "metadata.json").read_text())["complete"]
        rows.add((results / "detections.csv").read_text())
    assert len(rows) == 1  # the same pictures, the same faces


@pytest.mark.slow
def test_a_file_whose_sightings_wait_is_not_done_when_the_process_is_killed(
    tmp_path: Path, media: Media, models: ModelStore, services: list[Service]
) -> None:
    """The gallery is locked by somebody else, as by a long import: what was seen is in memory only."""
    folder = clips(tmp_path / "films", media, 0)
    gallery = tmp_path / "gallery"
    service = Service(tmp_path, models, folders=watched(folder, output=str(tmp_path / "out")))
    service.values["analysis"] = {**service.values["analysis"], "gallery": str(gallery)}  # type: ignore[dict-item]
    service.write()
    services.append(service)
    service.start()
    service.wait_for(lambda: "serving" in service.log())
    with contextlib.closing(sqlite3.connect(gallery / "gallery.sqlite", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        shutil.copy(media.path("single_face.mp4"), folder / "clip.mp4")
        service.wait_for((tmp_path / "out" / "clip.mp4.visage" / "metadata.json").exists)
        assert [job.state for job in service.ledger().jobs()] == [JobState.RUNNING]
        service.stop(signal.SIGKILL)
        database.execute("ROLLBACK")
        service.start()
        service.wait_for(is_done(service, 1))
        assert service.stop() == 0, service.log()
        assert database.execute("SELECT COUNT(*) FROM sightings").fetchone() == (1,)


@pytest.mark.slow
def test_a_poison_file_is_set_aside_and_the_others_are_done(
    tmp_path: Path, media: Media, models: ModelStore, services: list[Service]
) -> None:
    """A decoder that crashes on one file: the process dies once, the trial's process dies, the rest is worked on."""
    folder = clips(tmp_path / "films", media, 3)
    shutil.move(folder / "clip00.mp4", folder / "a-poison.mp4")
    service = Service(tmp_path, models, folders=watched(folder), files={"concurrent": 1})
    services.append(service)
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, threading\n"
        "def look():\n"
        "    import stages.decode.demux as demux\n"
        "    before = demux.Demuxer.__init__\n"
        "    def opened(self, uri, **more):\n"
        "        if 'a-poison' in uri: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "        before(self, uri, **more)\n"
        "    demux.Demuxer.__init__ = opened\n"
        "import sys\n"
        "if any(word.endswith(('serve', 'trial')) for word in sys.orig_argv): look()\n"
    )
    service.environment["PYTHONPATH"] = str(tmp_path)
    process = service.start()
    assert process.wait(BOUND_SECONDS) == -signal.SIGSEGV
    service.start()
    service.wait_for(is_done(service, 3))
    assert service.stop() == 0
    states = {job.path.name: job.state for job in service.ledger().jobs()}
    assert states == {
        "a-poison.mp4": JobState.SET_ASIDE,
        "clip01.mp4": JobState.DONE,
        "clip02.mp4": JobState.DONE,
    }
    assert "SIGSEGV" in str(service.ledger().jobs(JobState.SET_ASIDE)[0].error)


@pytest.mark.slow
def test_a_camera_comes_back_and_the_other_never_left(
    tmp_path: Path, media: Media, models: ModelStore, camera: RtspServer, services: list[Service]
) -> None:
    """One server is killed and started again; a camera at another goes on all the while."""
    steady = RtspServer(picture=media.path("obama.jpg"))
    try:
        steady.start()
        camera.start()
        door = {"address": camera.url.replace("rtsp://", "rtsp://ada:s3cret@"), "timeout_seconds": 2}
        service = Service(tmp_path, models, cameras={"door": door, "steady": {"address": steady.url}})
        services.append(service)
        service.start()

        def is_running(name: str) -> bool:
            return service.sources().get(name, {}).get("state") == "running"

        service.wait_for(lambda: is_running("door") and is_running("steady"))
        for turn in (1, 2):
            camera.stop()
            service.wait_for(lambda: service.sources()["door"]["state"] == "reconnecting")
            camera.size = (1280, 720)  # somebody changed its settings
            camera.start()
            assert service.wait_for(lambda: is_running("door"), seconds=10) < 10
            assert service.sources()["door"]["reconnects"] == turn
        steady_source = service.sources()["steady"]
        assert (steady_source["state"], steady_source["reconnects"]) == ("running", 0)
        service.wait_for(lambda: any(box[2] > 640 for box in boxes(service, "door")))
        metrics = service.metrics()
        assert metrics['visage_camera_reconnects_total{source="door"}'] == 2
        assert metrics["visage_faces_total"] > 0
        events = f"http://127.0.0.1:{service.port}/api/v1/events"
        with httpx.stream("GET", events, headers=service.headers(), timeout=10) as answer:
            assert answer.status_code == 200
            started = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - started <= 10
        told = [json.loads(line) for line in service.events.read_text().splitlines()]
        assert {"track_started", "track_ended", "source_state"} <= {event["type"] for event in told}
        assert "s3cret" not in service.events.read_text() + (tmp_path / "log.txt").read_text() + json.dumps(metrics)
    finally:
        steady.stop()


@pytest.mark.slow
def test_a_camera_that_hangs_holds_up_no_stop(tmp_path: Path, models: ModelStore, services: list[Service]) -> None:
    """It accepts the connection and says nothing, and may do so for a minute."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/cam"
        service = Service(tmp_path, models, cameras={"silent": {"address": address, "timeout_seconds": 60}})
        services.append(service)
        service.start()
        connection, _ = silent.accept()
        with connection:
            service.wait_for(lambda: service.sources().get("silent", {}).get("state") == "connecting")
            started = time.monotonic()
            assert service.stop() == 0, service.log()
            assert time.monotonic() - started <= 10


@pytest.mark.slow
def test_a_file_with_an_odd_name_stops_nothing(
    tmp_path: Path, media: Media, models: ModelStore, services: list[Service]
) -> None:
    folder = clips(tmp_path / "films", media, 1)
    shutil.copy(folder / "clip00.mp4", os.fsdecode(os.fsencode(folder) + b"/a\xff.mp4"))
    service = Service(tmp_path, models, folders=watched(folder))
    services.append(service)
    service.start()
    service.wait_for(is_done(service, 1))
    assert service.stop() == 0
    assert "its name is not UTF-8" in service.log()


@pytest.mark.slow
def test_a_reload_changes_cameras_and_disturbs_no_other(
    tmp_path: Path, models: ModelStore, camera: RtspServer, services: list[Service]
) -> None:
    camera.start()
    service = Service(tmp_path, models, cameras={"a": {"address": camera.url}, "b": {"address": camera.url}})
    services.append(service)
    process = service.start()
    service.wait_for(
        lambda: all(s["state"] == "running" for s in service.sources().values()) and bool(service.sources())
    )
    service.values["cameras"] = {"a": {"address": camera.url}, "c": {"address": camera.url, "fps_cap": 2}}
    service.write()
    process.send_signal(signal.SIGHUP)
    service.wait_for(lambda: service.sources().get("c", {}).get("state") == "running" and "b" not in service.sources())
    assert service.sources()["a"]["reconnects"] == 0
    service.config.write_text("cameras: [\n")
    process.send_signal(signal.SIGHUP)
    service.wait_for(lambda: "visage.json:2" in service.log())
    assert set(service.sources()) == {"a", "c"}
    assert service.stop() == 0


def test_a_wrong_file_is_refused_with_line_and_key(tmp_path: Path) -> None:
    config = tmp_path / "visage.yaml"
    config.write_text("web:\n  prot: 80\n")
    found = subprocess.run(
        [*VISAGE, "serve", "--config", str(config), "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_SECONDS,
    )
    assert found.returncode == 2
    assert f"visage: error: {config}:2: web.prot: there is no such key; did you mean port?" in found.stderr


def test_a_second_daemon_is_refused(tmp_path: Path, models: ModelStore, services: list[Service]) -> None:
    service = Service(tmp_path, models)
    services.append(service)
    service.start()
    service.wait_for((tmp_path / "state" / "ledger.sqlite").exists)
    again = subprocess.run(
        [*VISAGE, "serve", "--config", str(service.config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_SECONDS,
    )
    assert again.returncode == 1
    assert "is in use by another daemon" in again.stderr
    service.stop()


def test_a_camera_of_a_caller_does_not_lead_elsewhere(
    models: ModelStore, tmp_path: Path, services: list[Service]
) -> None:
    """An allowed address answers with a redirect to a port that no rule allows, at every attempt."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere, socket.create_server(("127.0.0.1", 0)) as allowed:
        port, other = allowed.getsockname()[1], elsewhere.getsockname()[1]
        service = Service(tmp_path, models)
        services.append(service)
        web = {"port": service.port, "add_source": {"networks": ["127.0.0.0/8"], "ports": [port]}}
        service.values["web"] = {**web, "token_file": str(tmp_path / "t"), "audit_file": str(tmp_path / "a")}
        service.write()
        service.start()
        url = f"http://127.0.0.1:{service.port}"
        service.wait_for((tmp_path / "state" / "local.json").exists)
        sent = {"uri": f"rtsp://127.0.0.1:{port}/main", "source_id": "gate"}
        answer = httpx.post(f"{url}/api/v1/sources", json=sent, headers=service.headers(), timeout=30)
        assert answer.status_code == 201
        allowed.settimeout(BOUND_SECONDS)
        for _ in range(2):
            connection, _ = allowed.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(f"RTSP/1.0 302 Moved\r\nLocation: rtsp://127.0.0.1:{other}/x\r\n\r\n".encode())
        service.wait_for(lambda: "redirects to another address" in str(service.sources()["gate"]["reason"]))
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
