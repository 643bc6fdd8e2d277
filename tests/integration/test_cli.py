"""The command line on real videos: outputs, refusals, failures, signals, as another program would see them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import av
import h5py
import pytest

from tests.media import Media
from tests.servers.fading import FadingCamera
from tests.servers.rtsp import RtspServer, rtsp_missing
from visage.models import ModelStore

TIMEOUT_SECONDS = 100


class Visage:
    """The `visage` program in a folder of its own."""

    def __init__(self, folder: Path, models: ModelStore) -> None:
        self.folder = folder
        self.environment = {**os.environ, "VISAGE_MODEL_DIR": str(models.model_dir)}
        self._program = str(Path(sys.executable).with_name("visage"))

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._program, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def start(self, *arguments: str, output: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self._program, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def visage(tmp_path: Path, media: Media, models: ModelStore) -> Iterator[Visage]:
    """In a folder with `film.mp4`, 72 frames of one face; at the end nothing half-written is left."""
    shutil.copy(media.path("single_face.mp4"), tmp_path / "film.mp4")
    yield Visage(tmp_path, models)
    assert list(tmp_path.rglob("*.part")) == []


def test_a_film_becomes_a_folder_of_tables(visage: Visage) -> None:
    result = visage("film.mp4", "--dst", "out", "--log_level", "info")
    assert result.returncode == 0, result.stderr
    with (visage.folder / "out" / "detections.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame_num"]) for row in rows] == list(range(72))
    with h5py.File(visage.folder / "out" / "embeddings.hdf5") as file:
        assert file["embeddings"].shape == (72, 128)
        assert file["frame_nums"][:].tolist() == list(range(72))
    metadata = json.loads((visage.folder / "out" / "metadata.json").read_text())
    assert (metadata["complete"], metadata["framecount"], metadata["faces"]) == (True, 72, 72)
    assert "film" in result.stdout
    assert result.stdout.splitlines()[-1] == "written to out"


def test_frameskip_keeps_the_numbers_of_the_frames(visage: Visage) -> None:
    options = ("--frameskip", "24", "--no-embed", "--no-propagate")
    assert visage("film.mp4", "--dst", "faces.csv", *options).returncode == 0
    with (visage.folder / "faces.csv").open() as file:
        assert [row["frame_num"] for row in csv.DictReader(file)] == ["0", "24", "48"]


def test_frames_between_looks_have_their_faces_followed(visage: Visage) -> None:
    assert visage("film.mp4", "--dst", "out", "--frameskip", "24").returncode == 0
    with (visage.folder / "out" / "detections.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame_num"]) for row in rows] == list(range(len(rows)))
    assert [row["frame_num"] for row in rows if row["propagated"] == "0"] == ["0", "24", "48"]
    assert {row["track_id"] for row in rows} == {"1"}
    with (visage.folder / "out" / "tracks.csv").open() as file:
        (track,) = csv.DictReader(file)
    assert (track["frames"], track["embeddings"]) == (str(len(rows)), "3")


def test_an_output_that_exists_is_refused_and_kept(visage: Visage) -> None:
    assert visage("film.mp4", "--dst", "out", "--frameskip", "24").returncode == 0
    before = (visage.folder / "out" / "detections.csv").read_bytes()
    refused = visage("film.mp4", "--dst", "out")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("visage: error: out")
    assert "--force" in line
    assert (visage.folder / "out" / "detections.csv").read_bytes() == before
    assert visage("film.mp4", "--dst", "out", "--force").returncode == 0
    assert (visage.folder / "out" / "detections.csv").read_bytes() != before


def test_what_is_no_video_is_named_and_the_rest_is_done(visage: Visage) -> None:
    (visage.folder / "empty.mp4").touch()
    (visage.folder / "words.mp4").write_text("not a video at all\n" * 100)
    result = visage("empty.mp4", "words.mp4", "missing.mp4", "film.mp4", "--dst", "out", "--quiet")
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    for name, line in zip(("empty.mp4", "words.mp4", "missing.mp4"), lines, strict=True):
        assert line.startswith("visage: error: ")
        assert name in line
    assert result.stdout == ""
    assert (visage.folder / "out" / "film" / "metadata.json").exists()
    assert not (visage.folder / "out" / "empty").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_destination_that_cannot_be_written_is_one_line(visage: Visage) -> None:
    (visage.folder / "locked").mkdir(mode=0o500)
    result = visage("film.mp4", "--dst", "locked/out")
    assert result.returncode == 1
    assert result.stderr.startswith("visage: error: locked/out")


def test_a_span_without_a_frame_is_told_though_quiet(visage: Visage) -> None:
    result = visage("film.mp4", "--start", "900", "--quiet", "--dst", "out")
    assert result.returncode == 0
    assert result.stderr == "visage: film: it has no frames between --start and --end\n"


def test_a_destination_under_a_file_is_one_line(visage: Visage) -> None:
    result = visage("film.mp4", "--dst", "film.mp4/out")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("visage: error: film.mp4")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_whole_outputs(visage: Visage, media: Media, number: signal.Signals, code: int) -> None:
    """Far more video than can be done before the first line of progress; the signal follows that line."""
    (visage.folder / "films").mkdir()
    for count in range(20):
        (visage.folder / "films" / f"{count:02}.mp4").symlink_to(media.path("WolfgangLanger_Pexels.mp4"))
    with visage.start("films", "--dst", "out") as process:
        assert process.stderr is not None
        assert "frames" in process.stderr.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == code, errors
    assert "visage: finishing the frames in flight" in errors
    ends = [json.loads(path.read_text()) for path in (visage.folder / "out").glob("*/metadata.json")]
    assert any(end["interrupted"] for end in ends)
    assert all(end["complete"] != end["interrupted"] for end in ends)


def test_what_was_read_of_a_camera_that_hangs_is_kept(visage: Visage) -> None:
    """It sends a second of pictures, then packets that mean nothing, over which FFmpeg waits for half a minute."""
    with FadingCamera(has_sound=False) as camera, visage.start(camera.url, "--dst", "seen.csv") as process:
        assert process.stderr is not None
        assert "frames" in process.stderr.readline()
        assert camera.has_faded.wait(TIMEOUT_SECONDS)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
        assert not camera.is_silent.is_set()
    assert process.returncode == 128 + signal.SIGINT, errors
    assert "cam did not answer" in errors
    assert (visage.folder / "seen.csv").read_text().startswith("source,")


def test_a_camera_whose_server_dies_is_a_failure_and_what_was_seen_is_kept(visage: Visage) -> None:
    missing = rtsp_missing()
    if missing:
        pytest.skip(missing)
    server = RtspServer(width=320, height=180)
    server.start()
    try:
        with visage.start(server.url, "--dst", "seen.csv") as process:
            assert process.stderr is not None
            assert "frames" in process.stderr.readline()
            server.stop()
            _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        server.stop()
    assert process.returncode == 1, errors
    line = next(line for line in errors.splitlines() if "visage: error" in line)
    assert "what came before is kept" in line
    assert (visage.folder / "seen.csv").read_text().startswith("source,")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_standard_output_that_is_full_is_named(visage: Visage) -> None:
    visage.environment.pop("PYTHONUNBUFFERED", None)
    with open("/dev/full", "w") as full, visage.start("--version", output=full) as process:
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 1
    assert errors == "visage: error: standard output: No space left on device\n"


def test_a_run_is_resumed_where_it_was_killed(visage: Visage) -> None:
    """Killed while many films are to be done; then all are there, and those that were done have not been touched."""
    (visage.folder / "films").mkdir()
    for count in range(6):
        shutil.copy(visage.folder / "film.mp4", visage.folder / "films" / f"{count}.mp4")
    arguments = ("films", "--dst", "out", "--no-embed")
    with visage.start(*arguments) as process:
        for path in watched(visage.folder / "out", process):
            if path.name == "metadata.json":
                break
        process.kill()
        process.communicate(timeout=TIMEOUT_SECONDS)
    done = {path: path.stat().st_mtime_ns for path in (visage.folder / "out").glob("*/metadata.json")}
    assert done
    result = visage(*arguments, "--resume")
    assert result.returncode == 0, result.stderr
    assert f"visage: {len(done)} of 6 videos are done already with these settings\n" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in done} == done
    ends = [json.loads(path.read_text()) for path in (visage.folder / "out").glob("*/metadata.json")]
    assert [(end["complete"], end["frames_decoded"]) for end in ends] == [(True, 72)] * 6
    # A thirteenth beside twelve, here a seventh; then nothing is left to do.
    shutil.copy(visage.folder / "film.mp4", visage.folder / "films" / "new.mp4")
    result = visage(*arguments, "--resume")
    assert result.returncode == 0, result.stderr
    assert "visage: 6 of 7 videos are done already with these settings\n" in result.stderr
    assert (visage.folder / "out" / "new" / "metadata.json").exists()
    result = visage(*arguments, "--resume")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "visage: all 7 videos are done already with these settings\n"


def test_resumed_annotated_videos_are_whole_and_all_drawn_alike(visage: Visage) -> None:
    (visage.folder / "films").mkdir()
    for name in "ab":
        shutil.copy(visage.folder / "film.mp4", visage.folder / "films" / f"{name}.mp4")
    arguments = ("films", "--dst", "out", "--no-embed", "--annotate", "seen", "--resume")
    videos = [visage.folder / "seen" / f"{name}.mp4" for name in "ab"]
    assert visage(*arguments).returncode == 0
    before = videos[0].stat().st_mtime_ns
    videos[1].unlink()
    result = visage(*arguments)
    assert result.returncode == 0, result.stderr
    assert "visage: 1 of 2 videos are done already with these settings\n" in result.stderr
    assert videos[1].exists()
    assert videos[0].stat().st_mtime_ns == before
    assert visage(*arguments, "--blur", "all").returncode == 0
    assert videos[0].stat().st_mtime_ns != before
    result = visage(*arguments, "--blur", "all")
    assert "visage: all 2 videos are done already with these settings\n" in result.stderr


def watched(folder: Path, process: subprocess.Popen[str]) -> Iterator[Path]:
    """Files as they appear below a folder, while the process runs."""
    while process.poll() is None:
        yield from folder.rglob("*.json")


def test_annotation_is_a_video_of_the_same_length(visage: Visage) -> None:
    assert visage("film.mp4", "--annotate", "marked.mp4", "--no-embed").returncode == 0
    with av.open(str(visage.folder / "marked.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 72
        assert len(container.streams.audio) == 1


def test_the_demo_tells_people_apart(visage: Visage, media: Media) -> None:
    result = visage("demo", "--cache", str(media.path("obama.jpg").parents[1]), "--dst", "demo")
    assert result.returncode == 0, result.stderr
    assert "The clip shows a face in 472 frames." in result.stdout
    assert (visage.folder / "demo" / "WolfgangLanger_Pexels.mp4").stat().st_size > 100_000


def test_the_doctor_finds_this_machine_fit(visage: Visage) -> None:
    result = visage("doctor")
    assert result.returncode == 0, result.stderr
    assert "yunet and sface in" in result.stdout
    assert result.stdout.endswith("This machine can analyse videos. Try: visage demo\n")
