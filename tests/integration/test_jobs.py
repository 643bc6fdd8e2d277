"""Jobs finished by the workers that read them: the tables of one process, and what a kill at any moment leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from stages.errors import OutputFailed
from stages.frames import Observation
from stages.sink.base import Sink
from stages.sink.destination import destination_for
from stages.sink.staged import StagedFile
from stages.sources import VideoInfo
from tests.media import Media
from visage.assembly import build_run, describe_run
from visage.cli.job_outputs import FileOutputs
from visage.config import Settings
from visage.config.sources import expand_sources
from visage.fleet import Fleet
from visage.fleet.process import WorkerLost
from visage.models import ModelStore
from visage.people import FaceReader, choose_face, gallery_of
from visage.runtime import Outcome, SourceState
from visage.runtime.job import JobOutputs, JobPlace
from visage.runtime.run import Run

pytestmark = pytest.mark.usefixtures("models")

CLIPS = ("single_face.mp4", "no_face.mp4", "face_noface.mov")
BOUND_SECONDS = 120.0


@dataclass(frozen=True)
class Deadly:
    """Kills the process that reads one source, in its fourth frame; implements `JobOutputs`."""

    source_id: str
    always: bool = False
    needs_pixels: bool = False

    def sinks_for(self, info: VideoInfo, place: JobPlace) -> list[Sink]:
        is_deadly = info.source_id == self.source_id and (self.always or not place.again)
        return [_DeadlySink()] if is_deadly else []


class _DeadlySink(Sink):
    def __init__(self) -> None:
        self._frames = 0

    def write(self, observation: Observation) -> None:
        self._frames += 1
        if self._frames == 4:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def settings(models: ModelStore) -> Settings:
    return Settings(model_dir=models.model_dir, device="cpu", workers=2, frameskip=4, propagate=False, threads=2)


@pytest.fixture(scope="module")
def paths(media: Media) -> list[str]:
    return [str(media.path(name)) for name in CLIPS]


def run_jobs(settings: Settings, paths: Sequence[str], dst: Path, *more: JobOutputs) -> tuple[Run, dict[str, Outcome]]:
    """A whole run with `--dst`, as the command makes it."""
    specs = expand_sources(paths)
    destination = destination_for(dst, describe_run(settings), source_ids=[spec.source_id for spec in specs])
    outputs = FileOutputs(tables=destination.begin(), videos={}, audio_uris={})
    run = build_run(settings, specs, outputs=[outputs, *more], open_sinks=destination.shared_sinks)
    with run:
        run.start()
        assert run.wait(BOUND_SECONDS)
        outcomes = dict(run.outcomes)
    destination.close()
    return run, outcomes


def files_of(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_same_folders(found: Path, expected: Path) -> None:
    """Tables byte for byte, embeddings number for number, and nothing besides."""
    mine, theirs = files_of(found), files_of(expected)
    assert mine.keys() == theirs.keys()
    for name, path in mine.items():
        if name.endswith(".csv"):
            assert path.read_text() == theirs[name].read_text(), name
        elif name.endswith(".hdf5"):
            with h5py.File(path) as file, h5py.File(theirs[name]) as other:
                for column in ("embeddings", "frame_nums", "face_nums", "track_ids"):
                    np.testing.assert_array_equal(file[column][:], other[column][:])
        elif name.endswith("metadata.json"):
            one, two = (json.loads(file.read_text()) for file in (path, theirs[name]))
            for key in ("started", "finished", "settings"):
                del one[key], two[key]
            assert one == two


@pytest.fixture(scope="module")
def alone(settings: Settings, paths: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process writes into a folder."""
    folder = tmp_path_factory.mktemp("jobs") / "alone"
    run, _ = run_jobs(settings.model_copy(update={"workers": 1}), paths, folder)
    assert not isinstance(run, Fleet)
    return folder


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_worker_that_is_killed_takes_only_its_film_which_is_begun_again(
    settings: Settings, paths: list[str], alone: Path, tmp_path: Path
) -> None:
    """SIGKILL in its fourth frame, its outputs half written: the folders are those of one process, byte for byte."""
    run, outcomes = run_jobs(settings, paths, tmp_path / "many", Deadly("single_face"))
    assert isinstance(run, Fleet)
    assert run.failure is None
    assert_same_folders(tmp_path / "many", alone)
    for name, outcome in outcomes.items():
        metadata = json.loads((tmp_path / "many" / name / "metadata.json").read_text())
        assert (outcome.state, outcome.faces) == (SourceState.DONE, metadata["faces"])
        assert outcome.frames_done == metadata["frames_looked_at"] + metadata["frames_followed"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_parts_of_workers_are_one_table_in_the_order_of_the_sources(
    settings: Settings, paths: list[str], alone: Path, tmp_path: Path, suffix: str
) -> None:
    """With a worker killed in between; what one process found is in it, once, and no part is left."""
    table = tmp_path / f"all{suffix}"
    run_jobs(settings, paths, table, Deadly("face_noface"))
    found = {path: lines_of(alone / Path(path).stem / "detections.csv") for path in paths}
    header = next(iter(found.values()))[0]
    rows = [f"{path},{line}" for path, lines in found.items() for line in lines[1:]]
    assert len(rows) > 20
    if suffix == ".csv":
        assert lines_of(table) == [f"source,{header}", *rows]
    elif suffix == ".parquet":
        columns = pq.read_table(table, columns=["source", "frame_num", "face_num"]).to_pydict()
        keys = [f"{one},{two},{three}" for one, two, three in zip(*columns.values(), strict=True)]
        assert keys == [",".join(row.split(",")[:3]) for row in rows]
    else:
        frames = [json.loads(line) for line in lines_of(table)]
        assert [frame["source"] for frame in frames for _ in frame["faces"]] == [row.split(",")[0] for row in rows]
        metadata = [json.loads((alone / Path(path).stem / "metadata.json").read_text()) for path in paths]
        assert len(frames) == sum(one["frames_looked_at"] for one in metadata)
    assert files_of(tmp_path).keys() == {table.name}


def test_a_film_that_kills_its_second_worker_too_fails_alone_and_leaves_nothing_visible(
    settings: Settings, paths: list[str], alone: Path, tmp_path: Path
) -> None:
    run, outcomes = run_jobs(settings, paths, tmp_path / "out", Deadly("single_face", always=True))
    assert run.failure is None
    failed = outcomes.pop("single_face")
    assert (failed.state, type(failed.error)) == (SourceState.FAILED, WorkerLost)
    assert "signal 9" in str(failed.error)
    assert {outcome.state for outcome in outcomes.values()} == {SourceState.DONE}
    assert not [name for name in files_of(tmp_path / "out" / "single_face") if not name.endswith(".part")]
    for name in outcomes:
        assert_same_folders(tmp_path / "out" / name, alone / name)


KILLED = """
import sys
from pathlib import Path
from tests.integration.test_jobs import Tell, run_jobs
from visage.config import Settings
settings = Settings.model_validate_json(sys.argv[1])
run_jobs(settings, sys.argv[3:], Path(sys.argv[2]), Tell())
"""


@dataclass(frozen=True)
class Tell:
    """Prints who reads a source, in its fourth frame; implements `JobOutputs`."""

    needs_pixels: bool = False

    def sinks_for(self, info: VideoInfo, place: JobPlace) -> list[Sink]:
        return [_TellingSink()]


class _TellingSink(Sink):
    def __init__(self) -> None:
        self._frames = 0

    def write(self, observation: Observation) -> None:
        self._frames += 1
        if self._frames == 4:
            os.write(1, f"{os.getpid()}\n".encode())


@pytest.mark.parametrize("name", ["out", "all.parquet"])
def test_a_run_that_is_killed_leaves_nothing_half_published_and_the_next_one_needs_no_force(
    settings: Settings, paths: list[str], tmp_path: Path, name: str
) -> None:
    """SIGKILL of the coordinator while both workers write: they end, and what is visible then is whole."""
    dst = tmp_path / name
    command = [sys.executable, "-c", KILLED, settings.model_dump_json(), str(dst), *paths]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        workers = {int(owner.stdout.readline())}
        owner.kill()
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in workers if psutil.pid_exists(pid)], BOUND_SECONDS)
    assert not alive
    assert not dst.is_file()
    for folder in dst.iterdir() if dst.is_dir() else ():
        if (folder / "metadata.json").exists():
            assert json.loads((folder / "metadata.json").read_text())["complete"]
    if name == "all.parquet":
        run_jobs(settings, paths, dst)
        assert set(pq.read_table(dst)["source"].to_pylist()) == {paths[0], paths[2]}
        assert files_of(tmp_path).keys() == {name}


def test_a_run_into_the_folder_of_another_is_refused_with_one_line(
    settings: Settings, paths: list[str], tmp_path: Path
) -> None:
    """The other, in this process, holds one source's folder; the run's other sources are done."""
    other = StagedFile(tmp_path / "out" / "no_face" / "metadata.json")
    run, outcomes = run_jobs(settings, paths, tmp_path / "out")
    other.discard()
    assert run.failure is None
    assert {name for name, outcome in outcomes.items() if outcome.state is SourceState.DONE} == {
        "single_face",
        "face_noface",
    }
    error = outcomes["no_face"].error
    assert isinstance(error, OutputFailed)
    assert "another run is writing this file" in str(error)
    assert len(str(error).splitlines()) == 1


def test_a_full_disk_in_one_worker_s_output_fails_its_source_alone(
    settings: Settings, paths: list[str], tmp_path: Path
) -> None:
    """One source's folder is a file system of 16 kB."""
    folder = tmp_path / "out" / "single_face"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system is not allowed here")
    try:
        run, outcomes = run_jobs(settings, paths, tmp_path / "out")
        assert not list(folder.iterdir())
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert run.failure is None
    error = outcomes.pop("single_face").error
    assert isinstance(error, OutputFailed)
    assert "the disk is full; free some space or write elsewhere" in str(error)
    assert {outcome.state for outcome in outcomes.values()} == {SourceState.DONE}


def test_people_are_named_by_the_workers_and_recorded_by_the_owner(
    settings: Settings, media: Media, tmp_path: Path
) -> None:
    """The table has the names, the gallery each film's tracks."""
    chosen = settings.model_copy(update={"gallery": tmp_path / "people"})
    picture = media.path("obama.jpg")
    with gallery_of(chosen) as gallery, FaceReader(chosen) as reader:
        gallery.add("Barack", choose_face(reader.read(picture)), origin=picture.name, content=picture.read_bytes())
    paths = [str(media.path(name)) for name in ("obama2.jpg", "biden.jpg", "single_face.mp4")]
    options = ["--workers", "2", "--frameskip", "24", "--model-dir", str(settings.model_dir)]
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from visage.cli.main import main; main()", *paths, *options),
            *("--gallery", str(tmp_path / "people"), "--dst", str(tmp_path / "all.csv")),
        ],
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in (tmp_path / "all.csv").read_text().splitlines()[1:]]
    names = {Path(row[0]).stem: {one[-2] for one in rows if one[0] == row[0]} for row in rows}
    assert names["obama2"] == {"Barack"}
    assert names["biden"] == {"unknown"}
    with gallery_of(chosen) as gallery:
        assert {one.source for one in gallery.sightings()} == {"biden", "obama2", "single_face"}
