"""The daemon as the web sees it: what can be added, paused and removed, and what is told."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.lowlevel
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.buffers import BufferPool
from stages.contract import FrameSource, Stage
from stages.decode.array_source import ArrayFrames
from stages.frames import Frame, Observation, Picture
from tests.runtime.latches import BOUND_SECONDS
from tests.runtime.scripted import ScriptedDetect, ScriptedEmbed, ScriptedLuma, ScriptedSource
from visage.assembly import Platform
from visage.config.service import ServiceConfig
from visage.config.sources import SourceSpec
from visage.service.daemon import Daemon
from visage.service.errors import RestartNeeded
from visage.service.port import DaemonPort
from visage.web.errors import Conflict, NotFound
from visage.web.ports import FeedEvent, NewSource


class TrackingDetect(ScriptedDetect):
    """Its one face is track 1, in every session of a camera anew."""

    def process(self, batch: Sequence[Frame]) -> list[Observation]:
        return [
            replace(seen, faces=replace(seen.faces, track_ids=np.array([1], np.int64)))
            for seen in super().process(batch)
        ]


class ScriptedPlatform:
    """Endless cameras, scripted stages."""

    description = "scripted"
    detect_batch = embed_batch = inbox_capacity = queue_capacity = concurrent_files = 4
    batch_deadline_seconds = 0.01

    def __init__(self) -> None:
        self.pool = BufferPool(256, lambda: bytearray(1))
        self.detect = TrackingDetect()
        self.detect.gate.set()

    def open_patch_reader(self) -> ScriptedLuma:
        return ScriptedLuma()

    score_threshold = 0.6

    def detect_stage(self, *, release_pixels: bool, keeps_weak: bool = False) -> Stage[Frame, Observation]:
        return self.detect

    def embed_stage(self, *, release_pixels: bool, averages_mirrored: bool = False) -> Stage[Observation, Observation]:
        return ScriptedEmbed()

    def frame_source(self, spec: SourceSpec, *, concurrent: int, frames: ArrayFrames | None = None) -> FrameSource:
        return ScriptedSource(self.pool, spec.source_id, 0, endless=True)

    def memory_bytes(self) -> tuple[int, int] | None:
        return None

    def to_bgr(self, picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        return np.zeros((1, 1, 3), np.uint8)

    def close(self) -> None:
        pass


class Served:
    """A daemon in an event loop on a thread of its own, as the web's worker threads see it."""

    def __init__(self, folder: Path, platform: Platform, config: dict[str, object]) -> None:
        self.now = config
        self.folder = folder
        self.daemon = Daemon(self.load(), load=self.load, platform=platform)
        self.port = DaemonPort(self.daemon)
        self.events: list[FeedEvent] = []
        self._changed = threading.Condition()
        self.port.subscribe(self._hear)
        self._running = threading.Event()
        self._thread = threading.Thread(target=anyio.run, args=(self._run,))

    def load(self) -> ServiceConfig:
        analysis = {"track": False, "embed": None}
        return ServiceConfig.model_validate({"state_dir": self.folder, "analysis": analysis, **self.now})

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._running.wait(BOUND_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        anyio.from_thread.run_sync(self.daemon.stop, token=self._token)
        self._thread.join(BOUND_SECONDS)
        assert not self._thread.is_alive()
        self.daemon.__exit__()

    def kinds(self) -> list[str]:
        return [event.type for event in self.events]

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Until an event makes it so."""
        with self._changed:
            assert self._changed.wait_for(what, BOUND_SECONDS), self.events

    def wait_for_state(self, source_id: str, state: str) -> None:
        self.wait_for(
            lambda: any(e.record["source"] == source_id and e.record.get("state") == state for e in self.events)
        )

    async def _run(self) -> None:
        self._token = anyio.lowlevel.current_token()
        await self.daemon.run(on_started=self._started, with_signals=False)

    def _started(self) -> None:
        self.port.restore()
        self._running.set()

    def _hear(self, event: FeedEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()


@pytest.fixture
def platform() -> Iterator[ScriptedPlatform]:
    platform = ScriptedPlatform()
    yield platform
    assert platform.pool.statistics().leased == 0


CAMERA = {"address": "rtsp://ada:secret@cam/1"}


def test_an_added_camera_is_there_again_after_a_restart(tmp_path: Path, platform: ScriptedPlatform) -> None:
    with Served(tmp_path, platform, {"cameras": {"door": CAMERA}}) as served:
        added = served.port.add_source(NewSource("rtsp://bob:hidden@cam/2", "garden", is_live=True))
        assert added.address == "rtsp://***@cam/2"
        served.wait_for_state("garden", "running")
        with pytest.raises(Conflict):
            served.port.add_source(NewSource("rtsp://cam/3", "door", is_live=True))
        assert served.port.readiness().ready
    assert (tmp_path / "sources.json").stat().st_mode & 0o777 == 0o600
    with Served(tmp_path, ScriptedPlatform(), {"cameras": {"door": CAMERA}}) as strict:
        assert [source.source_id for source in strict.port.sources()] == ["door"]  # no rule allows the other any more
    rules = {"add_source": {"hosts": ["cam"]}}
    with Served(tmp_path, ScriptedPlatform(), {"cameras": {"door": CAMERA}, "web": rules}) as again:
        assert [source.source_id for source in again.port.sources()] == ["door", "garden"]
        again.port.remove_source("garden")
    with Served(tmp_path, ScriptedPlatform(), {}) as last:
        assert list(last.port.sources()) == []


def test_an_added_camera_gets_a_topic_of_its_own(tmp_path: Path, platform: ScriptedPlatform) -> None:
    """What one camera reports must not be taken for another's."""
    broker = {"mqtt": {"host": "127.0.0.1", "port": 1}}
    with Served(tmp_path, platform, {"cameras": {"front_door": CAMERA}, "events": broker}) as served:
        with pytest.raises(Conflict, match=r"'front\.door' and 'front_door' would share an MQTT topic"):
            served.port.add_source(NewSource("rtsp://cam/2", "front.door", is_live=True))
        served.port.add_source(NewSource("rtsp://cam/2", "back.door", is_live=True))


@pytest.mark.parametrize("text", ['{"garden": "rtsp://bob:hidden@cam/2"', "[]", "\xff"])
def test_added_cameras_that_can_not_be_read_are_kept_aside(
    text: str, tmp_path: Path, platform: ScriptedPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    """The next camera that is added would replace them, and a person could put them right."""
    (tmp_path / "sources.json").write_bytes(text.encode("latin-1"))
    with Served(tmp_path, platform, {}) as served:
        served.port.add_source(NewSource("rtsp://cam/3", "cellar", is_live=True))
    assert (tmp_path / "sources.json.broken").read_bytes() == text.encode("latin-1")
    assert json.loads((tmp_path / "sources.json").read_text()) == {"cellar": "rtsp://cam/3"}
    (told,) = [record.message for record in caplog.records if "sources.json" in record.message]
    assert told.endswith("; it is kept as sources.json.broken, and the cameras in it are not watched")
    assert "hidden" not in told


def test_a_file_is_named_by_its_path(tmp_path: Path, platform: ScriptedPlatform) -> None:
    """Whatever it was to be called: a folder may have that name."""
    film, films = tmp_path / "a film.mp4", tmp_path / "films"
    film.write_bytes(bytes(4096))
    films.mkdir()
    with Served(tmp_path, platform, {"folders": {"films": {"path": films}}}) as served:
        added = served.port.add_source(NewSource(str(film), "films", is_live=False))
    assert re.fullmatch(r"a_film-[0-9a-f]{8}", added.source_id)


def test_sources_pause_and_resume(tmp_path: Path, platform: ScriptedPlatform) -> None:
    films = tmp_path / "films"
    films.mkdir()
    with Served(tmp_path, platform, {"cameras": {"door": CAMERA}, "folders": {"films": {"path": films}}}) as served:
        served.wait_for_state("door", "running")
        assert served.port.pause_source("door").state == "paused"
        served.wait_for_state("door", "paused")
        assert served.port.resume_source("door").state != "paused"
        assert served.port.pause_source("films").state == "paused"
        assert served.port.resume_source("films").state != "paused"
        with pytest.raises(NotFound):
            served.port.pause_source("attic")
        with pytest.raises(NotFound):
            served.port.remove_source("attic")
    assert "secret" not in repr(served.events)
    assert not served.port.readiness().ready


def test_the_web_tells_what_the_journal_tells(tmp_path: Path, platform: ScriptedPlatform) -> None:
    journal = tmp_path / "events.jsonl"
    with Served(tmp_path, platform, {"cameras": {"door": CAMERA}, "events": {"jsonl": journal}}) as served:
        served.wait_for(lambda: "track_started" in served.kinds())
    lines = {record["id"]: record for record in map(json.loads, journal.read_text().splitlines())}
    assert {"track_started", "source_state"} <= {record["type"] for record in lines.values()}
    assert {event.event_id: event.record for event in served.events} == lines


def test_track_1_after_a_pause_is_not_taken_for_a_repeat(tmp_path: Path, platform: ScriptedPlatform) -> None:
    with Served(tmp_path, platform, {"cameras": {"door": CAMERA}}) as served:
        served.wait_for(lambda: served.kinds().count("track_started") == 1)
        served.port.pause_source("door")
        served.wait_for(lambda: served.kinds().count("track_ended") == 1)
        served.port.resume_source("door")
        served.wait_for(lambda: served.kinds().count("track_started") == 2)
    ids = [event.event_id for event in served.events]
    assert len(set(ids)) == len(ids)


def test_a_reload_after_callers_changed_sources(tmp_path: Path, platform: ScriptedPlatform) -> None:
    """What the file drops was removed by a caller; what it names anew was added by one: neither ends the daemon."""
    films = {"path": tmp_path}
    with Served(tmp_path, platform, {"cameras": {"door": CAMERA, "attic": CAMERA}}) as served:
        served.wait_for_state("attic", "running")
        served.port.remove_source("attic")
        served.wait_for_state("attic", "removed")
        served.port.add_source(NewSource("rtsp://cam/2", "garden", is_live=True))
        served.now = {"cameras": {"door": CAMERA, "garden": CAMERA}}
        assert served.daemon.reload() == ["camera garden changed"]
        served.port.add_source(NewSource("rtsp://cam/3", "cellar", is_live=True))
        served.now = {"cameras": {"door": CAMERA, "garden": CAMERA}, "folders": {"cellar": films}}
        with pytest.raises(Conflict, match=r"folders\.cellar: there is a camera of this name"):
            served.port.reload()
        assert {source.source_id for source in served.port.sources()} == {"door", "garden", "cellar"}


@pytest.mark.parametrize(
    "failure",
    [OSError(28, "No space left on device"), ValueError("two\nlines of rtsp://u:hunter2@cam/"), RuntimeError()],
)
def test_whatever_is_wrong_with_a_reload_is_one_line(
    tmp_path: Path, platform: ScriptedPlatform, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    with Served(tmp_path, platform, {"cameras": {"door": CAMERA}}) as served:

        def load() -> ServiceConfig:
            raise failure

        monkeypatch.setattr(served.daemon, "_load", load)
        with pytest.raises(Conflict, match=r"can't be applied: \S") as refused:
            served.port.reload()
        assert "\n" not in str(refused.value)
        assert "hunter2" not in str(refused.value)
        assert [source.source_id for source in served.port.sources()] == ["door"]


def test_a_reload_that_needs_a_restart_says_so_and_does_the_rest(tmp_path: Path, platform: ScriptedPlatform) -> None:
    with Served(tmp_path, platform, {"cameras": {"door": CAMERA, "attic": CAMERA}}) as served:
        served.wait_for_state("door", "running")
        served.now = {"cameras": {"door": CAMERA, "garden": CAMERA}, "drain_seconds": 1}
        with pytest.raises(Conflict, match="drain_seconds need a restart"):
            served.port.reload()
        served.wait_for_state("garden", "running")
        served.now = {"cameras": {"door": CAMERA, "garden": CAMERA}}
        served.port.reload()
        served.now = {"cameras": {}, "web": {"port": 1}}
        with pytest.raises(RestartNeeded):
            served.daemon.reload()
    doors = [event.record.get("state") for event in served.events if event.record["source"] == "door"]
    assert doors.count("running") == 1
