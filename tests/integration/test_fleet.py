"""Runs in several processes, with real networks and real clips: the same results, and what is lost when one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet
import pytest

import visage
from stages.errors import BackendUnavailable, OutputFailed, SourceNotFound
from stages.frames import Observation
from stages.sink.base import Sink
from stages.sources import SourceEnded, VideoInfo
from tests.media import Media
from visage.assembly import build_run
from visage.config import Settings
from visage.config.sources import expand_sources
from visage.fleet import Fleet
from visage.models import ModelStore
from visage.people import FaceReader, choose_face, gallery_of
from visage.runtime import SourceState

pytestmark = pytest.mark.usefixtures("models")

CLIPS = ("single_face.mp4", "no_face.mp4", "face_noface.mov")
BOUND_SECONDS = 120.0


class Recorder(Sink):
    """A sink of every source that remembers what came; `act` is called with each observation first."""

    def __init__(self, act: Callable[[Observation], object] = lambda _: None) -> None:
        self.rows: dict[str, list[int]] = {}
        self.ended: dict[str, SourceEnded] = {}
        self._act = act

    def sinks(self, info: VideoInfo) -> Sequence[Sink]:
        self.rows[info.source_id] = []
        return [self]

    def open(self, info: VideoInfo) -> None:
        pass

    def write(self, observation: Observation) -> None:
        self._act(observation)
        self.rows[observation.source_id].append(observation.frame.index)

    def close(self, ended: SourceEnded) -> None:
        self.ended[ended.source_id] = ended


@pytest.fixture
def settings(models: ModelStore) -> Settings:
    return Settings(model_dir=models.model_dir, device="cpu", workers=2, frameskip=4, propagate=False, threads=2)


@pytest.fixture
def paths(media: Media) -> list[str]:
    return [str(media.path(name)) for name in CLIPS]


def fleet_of(settings: Settings, paths: Sequence[str], recorder: Recorder) -> Fleet:
    run = build_run(settings, expand_sources(paths), open_sinks=recorder.sinks, wants_frames=True)
    assert isinstance(run, Fleet)
    return run


def all_gone(process_ids: Sequence[int]) -> bool:
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in process_ids if psutil.pid_exists(pid)], BOUND_SECONDS)
    return not alive


def test_several_processes_find_what_one_finds(settings: Settings, paths: list[str]) -> None:
    found = {
        workers: {
            (frame.source_id, frame.index): frame.faces
            for frame in visage.analyze(paths, settings.model_copy(update={"workers": workers}))
        }
        for workers in (1, 2)
    }
    assert found[1].keys() == found[2].keys()
    assert any(found[1].values())
    for key, faces in found[1].items():
        assert len(found[2][key]) == len(faces)
        for one, other in zip(faces, found[2][key], strict=True):
            assert one.track_id == other.track_id
            np.testing.assert_allclose(one.box_xyxy, other.box_xyxy, atol=0.5)
            assert one.embedding is not None
            assert other.embedding is not None
            assert one.embedding @ other.embedding > 0.999


def test_one_table_holds_all_sources_and_a_missing_one_fails_alone(
    settings: Settings, paths: list[str], tmp_path: Path
) -> None:
    table = tmp_path / "faces.parquet"
    command = [sys.executable, "-c", "from visage.cli.main import main; main()", *paths, str(tmp_path / "none.mp4")]
    options = ["--workers", "2", "--frameskip", "8", "--dst", str(table), "--model-dir", str(settings.model_dir)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=BOUND_SECONDS, check=False)
    assert done.returncode == 1
    assert f"{tmp_path / 'none.mp4'} does not exist" in done.stderr
    assert "Traceback" not in done.stderr
    with pyarrow.parquet.ParquetFile(table) as file:
        assert set(file.read(["source"])["source"].to_pylist()) == {paths[0], paths[2]}


def test_the_library_raises_what_a_source_of_a_worker_failed_with(settings: Settings, paths: list[str]) -> None:
    frames = visage.analyze([paths[0], "/nowhere/none.mp4"], settings)
    with pytest.raises(SourceNotFound, match=r"none\.mp4"):
        list(frames)


def test_frames_of_a_film_that_is_begun_again_come_once(settings: Settings, media: Media) -> None:
    """A worker is killed once both are reading; another goes on from where the frames had come to."""
    seen: set[str] = set()

    def kill_one(observation: Observation) -> None:
        before = len(seen)
        seen.add(observation.source_id)
        if (before, len(seen)) == (1, 2):
            os.kill(fleet.process_ids[0], signal.SIGKILL)

    recorder = Recorder(kill_one)
    paths = [str(media.path(name)) for name in ("noface_face.mov", *CLIPS)]
    with fleet_of(settings.model_copy(update={"concurrent_files": 2}), paths, recorder) as fleet:
        fleet.start()
        assert fleet.wait(BOUND_SECONDS)
        outcomes = fleet.outcomes
    assert fleet.failure is None
    for name, outcome in outcomes.items():
        assert outcome.state is SourceState.DONE
        assert recorder.rows[name] == list(range(0, outcome.frames_decoded, 4))
        assert recorder.ended[name].error is None
    assert len(fleet.process_ids) == 3
    assert all_gone(fleet.process_ids)


def test_a_gallery_s_people_are_named_where_the_results_meet(settings: Settings, media: Media, tmp_path: Path) -> None:
    chosen = settings.model_copy(update={"gallery": tmp_path / "people"})
    path = media.path("obama.jpg")
    with gallery_of(chosen) as gallery, FaceReader(chosen) as reader:
        gallery.add("Barack", choose_face(reader.read(path)), origin=path.name, content=path.read_bytes())
    paths = [str(media.path(name)) for name in ("obama2.jpg", "biden.jpg")]
    names = {
        frame.source_id: [face.identity.name for face in frame.faces if face.identity]
        for frame in visage.analyze(paths, chosen)
    }
    assert names == {"obama2": ["Barack"], "biden": ["unknown"]}
    with gallery_of(chosen) as gallery:
        assert sorted(one.source for one in gallery.sightings()) == ["biden", "obama2"]


def test_workers_whose_networks_can_t_be_loaded_are_told_of_and_nothing_hangs(
    settings: Settings, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them says what it says of a single process."""
    monkeypatch.setattr("visage.assembly.spread.list_gpus", list)
    recorder = Recorder()
    chosen = settings.model_copy(update={"device": "cuda:0", "backend": "tensorrt"})
    with fleet_of(chosen, paths, recorder) as fleet:
        fleet.start()
        assert fleet.wait(BOUND_SECONDS)
        outcomes = fleet.outcomes
    assert isinstance(fleet.failure, BackendUnavailable)
    assert {outcome.state for outcome in outcomes.values()} == {SourceState.FAILED}
    assert {type(outcome.error) for outcome in outcomes.values()} == {BackendUnavailable}
    assert recorder.rows == {}


def test_an_abort_before_the_networks_are_loaded_ends_the_workers(settings: Settings, paths: list[str]) -> None:
    with fleet_of(settings, paths, Recorder()) as fleet:
        fleet.start()
        fleet.abort()
        assert fleet.wait(BOUND_SECONDS)
    assert {outcome.state for outcome in fleet.outcomes.values()} == {SourceState.INTERRUPTED}
    assert all_gone(fleet.process_ids)


def test_modules_in_the_current_folder_are_not_imported(
    settings: Settings, paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "av.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    assert any(frame.faces for frame in visage.analyze(paths[:2], settings))


def test_a_sink_that_fails_fails_its_source_alone(settings: Settings, paths: list[str]) -> None:
    def refuse(observation: Observation) -> None:
        if observation.source_id == "single_face":
            raise OutputFailed("the disk is full")

    with fleet_of(settings, paths, Recorder(refuse)) as fleet:
        fleet.start()
        assert fleet.wait(BOUND_SECONDS)
    states = {name: outcome.state for name, outcome in fleet.outcomes.items()}
    assert states.pop("single_face") is SourceState.FAILED
    assert set(states.values()) == {SourceState.DONE}


def test_draining_writes_what_is_in_flight_and_begins_nothing_more(settings: Settings, media: Media) -> None:
    begun = threading.Event()
    recorder = Recorder(lambda _: begun.set())
    paths = [str(media.path("WolfgangLanger_Pexels.mp4")), str(media.path("face_noface.mov"))]
    paths += [str(media.path(name)) for name in ("noface_face.mov", "single_face.mp4")]
    settings = settings.model_copy(update={"concurrent_files": 2, "frameskip": 1})
    with fleet_of(settings, paths, recorder) as fleet:
        fleet.start()
        assert begun.wait(BOUND_SECONDS)
        fleet.drain()
        assert fleet.wait(BOUND_SECONDS)
    assert {outcome.state for outcome in fleet.outcomes.values()} == {SourceState.INTERRUPTED}
    for name, rows in recorder.rows.items():
        assert rows == list(range(len(rows)))
        assert recorder.ended[name].interrupted
        assert fleet.outcomes[name].frames_done == len(rows)
    assert all_gone(fleet.process_ids)


def test_leaving_early_ends_every_process_and_thread(settings: Settings, paths: list[str]) -> None:
    threads = set(threading.enumerate())
    frames = visage.analyze(paths, settings.model_copy(update={"frameskip": 1}))
    next(frames)
    workers = psutil.Process().children(recursive=True)
    assert len(workers) == 2
    frames.close()
    assert all_gone([worker.pid for worker in workers])
    assert set(threading.enumerate()) == threads


def test_workers_end_when_their_owner_is_killed(settings: Settings, media: Media) -> None:
    code = (
        "import sys, psutil, visage\n"
        "frames = visage.analyze(sys.argv[2:], workers=2, device='cpu', model_dir=sys.argv[1])\n"
        "next(frames)\n"
        "print(*(child.pid for child in psutil.Process().children()), flush=True)\n"
        "for frame in frames: sys.stdin.read(1)\n"
    )
    paths = [str(media.path("WolfgangLanger_Pexels.mp4")), str(media.path("face_noface.mov"))]
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(settings.model_dir), *paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        workers = [int(word) for word in owner.stdout.readline().split()]
        assert len(workers) == 2
        owner.kill()
    assert all_gone(workers)
