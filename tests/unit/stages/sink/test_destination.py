"""A run's results: one table or a folder, refused early, committed whole."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import pyarrow.parquet as pq
import pytest

from stages.errors import OutputExists, OutputFailed, SourceBroken
from stages.frames import Observation
from stages.sink.base import Sink
from stages.sink.destination import Destination, FolderDestination, TableDestination, destination_for
from stages.sink.metadata import RunDescription
from tests.unit.stages.sink.scenes import DIMENSION, RUN, ended, observation, read_json, video

OUTPUTS = ["detections.csv", "embeddings.hdf5", "metadata.json"]

KILLED_WHILE = """
import pathlib, sys
from stages.sink.folder import FolderSink
from stages.sink.staged import StagedFile
from tests.unit.stages.sink.scenes import RUN, ended, observation, video

def wait(*_):
    print("here", flush=True)
    sys.stdin.read()

sink = FolderSink(pathlib.Path(sys.argv[1]), RUN)
sink.open(video())
sink.write(observation(0))
if sys.argv[2] == "writing":
    wait()
publish = StagedFile.publish
StagedFile.publish = lambda staged: wait() if staged.path.name == "embeddings.hdf5" else publish(staged)
sink.close(ended())
"""


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def run(sink: Sink, observations: Sequence[Observation], source_id: str = "clip") -> None:
    sink.open(video(source_id))
    for item in observations:
        sink.write(item)
    sink.close(ended(source_id))


def only(sinks: list[Sink]) -> Sink:
    (sink,) = sinks
    return sink


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def make(path: Path, *source_ids: str, force: bool = False, run: RunDescription = RUN) -> Destination:
    return destination_for(path, run, source_ids=source_ids or ("clip",), force=force)


def test_the_ending_chooses_between_table_and_folder(tmp_path: Path) -> None:
    for name in ("a.csv", "a.PARQUET", "a.jsonl"):
        assert isinstance(make(tmp_path / name), TableDestination)
    for name in ("out", "out.d", "out.mp4"):
        assert isinstance(make(tmp_path / name), FolderDestination)


def test_a_folder_holds_three_files_that_agree(tmp_path: Path) -> None:
    destination = make(tmp_path / "out")
    destination.check()
    assert not list(tmp_path.iterdir()), "a check leaves nothing"
    run(only(destination.sinks_for(video())), [observation(0, 2), observation(2, 0), observation(4, 1)])
    destination.close()
    assert names(tmp_path / "out") == OUTPUTS
    rows = rows_of(tmp_path / "out" / "detections.csv")
    with h5py.File(tmp_path / "out" / "embeddings.hdf5") as file:
        assert [int(row["frame_num"]) for row in rows] == file["frame_nums"][:].tolist() == [0, 0, 4]
        assert [int(row["face_num"]) for row in rows] == file["face_nums"][:].tolist() == [0, 1, 0]
        assert file["embeddings"].shape == (3, DIMENSION)


def test_metadata_has_the_cpp_visages_keys_first_then_ours(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "out").sinks_for(video()))
    sink.open(video(fps=30000 / 1001, rotation_degrees=90))
    sink.write(observation(0, 2))
    sink.write(observation(2, 0))
    sink.close(ended(frames=4))
    metadata = read_json(tmp_path / "out" / "metadata.json")
    assert list(metadata.items())[:9] == [
        ("filepath", "/videos/clip.mp4"),
        ("width", 64),
        ("height", 48),
        ("fps", 29.97),
        ("detector", "yunet"),
        ("embedder", "sface"),
        ("framecount", 100),
        ("frameskip", 2),
        ("codec", "h264"),
    ]
    expected = {
        "rotation": 90,
        "duration": 4.0,
        "frames_decoded": 4,
        "frames_looked_at": 2,
        "faces": 2,
        "complete": True,
        "interrupted": False,
        "error": None,
        "versions": {"visage": "0"},
        "settings": {"nms_iou": 0.3},
    }
    assert {key: metadata[key] for key in expected} == expected
    assert metadata["started"] <= metadata["finished"]


def test_framecount_is_what_was_decoded_where_the_container_does_not_say(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "out").sinks_for(video()))
    sink.open(video(frame_count=None, fps=None))
    sink.close(ended(frames=7))
    metadata = read_json(tmp_path / "out" / "metadata.json")
    assert (metadata["framecount"], metadata["fps"]) == (7, None)


def test_a_source_that_breaks_keeps_its_rows_and_says_where(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "out").sinks_for(video()))
    sink.open(video())
    sink.write(observation(0))
    sink.close(ended(frames=30, error=SourceBroken("clip broke at frame 30", frame_index=30, pts_seconds=1.16)))
    assert len(rows_of(tmp_path / "out" / "detections.csv")) == 1
    metadata = read_json(tmp_path / "out" / "metadata.json")
    assert metadata["complete"] is False
    assert metadata["error"] == {"message": "clip broke at frame 30", "frame_num": 30, "timestamp": 1.16}


def test_an_interrupted_source_is_not_complete(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "out").sinks_for(video()))
    sink.open(video())
    sink.close(ended(interrupted=True))
    metadata = read_json(tmp_path / "out" / "metadata.json")
    assert (metadata["complete"], metadata["interrupted"], metadata["error"]) == (False, True, None)


def test_several_sources_get_a_folder_each(tmp_path: Path) -> None:
    destination = make(tmp_path / "out", "köln", "köln-2")
    destination.check()
    for source_id in ("köln", "köln-2"):
        run(only(destination.sinks_for(video(source_id))), [observation(0, source_id=source_id)], source_id)
    assert names(tmp_path / "out") == sorted(f"{name}/{output}" for name in ("köln", "köln-2") for output in OUTPUTS)


def test_detection_only_writes_no_embeddings_and_removes_old_ones(tmp_path: Path) -> None:
    run(only(make(tmp_path / "out").sinks_for(video())), [observation(0)])
    detection_only = RunDescription(detector="yunet")
    destination = make(tmp_path / "out", force=True, run=detection_only)
    run(only(destination.sinks_for(video())), [observation(0, 2, dimension=None)])
    assert names(tmp_path / "out") == ["detections.csv", "metadata.json"]
    assert read_json(tmp_path / "out" / "metadata.json")["embedder"] is None


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_folder_with_outputs_is_refused_early_and_late(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputExists, match=rf"{name}: exists already.*--force"):
        make(tmp_path).check()
    sink = only(make(tmp_path).sinks_for(video()))
    with pytest.raises(OutputExists, match=name):
        sink.open(video())
    sink.abandon()
    assert names(tmp_path) == [name]
    make(tmp_path, force=True).check()


def test_a_folder_with_other_things_in_it_is_fine(tmp_path: Path) -> None:
    (tmp_path / "movie.mp4").write_text("film")
    destination = make(tmp_path)
    destination.check()
    run(only(destination.sinks_for(video())), [])
    assert names(tmp_path) == sorted([*OUTPUTS, "movie.mp4"])


def test_force_keeps_the_old_folder_until_the_new_is_whole(tmp_path: Path) -> None:
    run(only(make(tmp_path).sinks_for(video())), [observation(0)])
    sink = only(make(tmp_path, force=True).sinks_for(video()))
    sink.open(video())
    sink.write(observation(0, 5))
    assert len(rows_of(tmp_path / "detections.csv")) == 1
    sink.abandon()
    assert names(tmp_path) == OUTPUTS
    run(only(make(tmp_path, force=True).sinks_for(video())), [observation(0, 5)])
    assert len(rows_of(tmp_path / "detections.csv")) == 5


def test_abandon_leaves_nothing_of_a_new_folder(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "deep" / "out").sinks_for(video()))
    sink.open(video())
    sink.write(observation(0))
    sink.abandon()
    sink.abandon()
    assert not (tmp_path / "deep" / "out").exists()


@pytest.mark.parametrize("moment", ["writing", "committing"])
def test_a_killed_run_leaves_nothing_that_looks_complete_and_the_next_run_clears_it(
    tmp_path: Path, moment: str
) -> None:
    """Killed after its first row, or after `detections.csv` got its name and before `embeddings.hdf5` did."""
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE, str(tmp_path), moment], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"here\n"
        writer.send_signal(signal.SIGKILL)
    whole = ["detections.csv"] if moment == "committing" else []
    assert [name for name in names(tmp_path) if not name.endswith(".part")] == whole
    assert "metadata.json.part" in names(tmp_path)

    destination = make(tmp_path)
    destination.check()
    run(only(destination.sinks_for(video())), [observation(0, 3)])
    assert names(tmp_path) == OUTPUTS
    assert len(rows_of(tmp_path / "detections.csv")) == 3


def test_a_table_interleaves_its_sources_and_appears_at_the_end_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    destination = make(path, "a", "b")
    destination.check()
    first, second = only(destination.sinks_for(video("a"))), only(destination.sinks_for(video("b")))
    first.open(video("a"))
    first.write(observation(0, source_id="a"))
    second.open(video("b"))
    second.write(observation(0, 2, source_id="b"))
    first.write(observation(1, source_id="a"))
    first.close(ended("a"))
    second.write(observation(1, source_id="b"))
    second.close(ended("b"))
    assert not path.exists()
    destination.close()
    assert names(tmp_path) == ["all.csv"]
    found = [(row["source"], row["frame_num"], row["face_num"]) for row in rows_of(path)]
    a, b = "/videos/a.mp4", "/videos/b.mp4"
    assert found == [(a, "0", "0"), (b, "0", "0"), (b, "0", "1"), (a, "1", "0"), (b, "1", "0")]


def test_a_table_keeps_the_rows_of_an_abandoned_source(tmp_path: Path) -> None:
    destination = make(tmp_path / "all.parquet", "a", "b")
    first, second = only(destination.sinks_for(video("a"))), only(destination.sinks_for(video("b")))
    for sink, name in ((first, "a"), (second, "b")):
        sink.open(video(name))
        sink.write(observation(0, source_id=name))
    first.abandon()
    second.close(ended("b"))
    destination.close()
    assert pq.read_table(tmp_path / "all.parquet")["source"].to_pylist() == ["/videos/a.mp4", "/videos/b.mp4"]


def test_a_table_of_abandoned_sources_only_is_discarded(tmp_path: Path) -> None:
    destination = make(tmp_path / "all.csv")
    sink = only(destination.sinks_for(video()))
    sink.open(video())
    sink.write(observation(0))
    sink.abandon()
    destination.close()
    assert not list(tmp_path.iterdir())


def test_a_run_without_sources_makes_no_table(tmp_path: Path) -> None:
    make(tmp_path / "all.csv").close()
    assert not list(tmp_path.iterdir())


def test_an_existing_table_is_refused_before_the_run(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("mine")
    with pytest.raises(OutputExists, match=r"all\.csv: exists already.*--force"):
        make(path).check()
    forced = make(path, force=True)
    forced.check()
    run(only(forced.sinks_for(video())), [observation(0)])
    forced.close()
    assert len(rows_of(path)) == 1


def test_a_file_in_the_folders_place_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputFailed, match="is a file, not a folder"):
        make(tmp_path / "out").check()


def write_many(sink: Sink) -> None:
    for index in range(10_000):
        sink.write(observation(index, 8))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["out", "all.csv", "all.parquet", "all.jsonl"])
def test_a_full_disk_fails_with_one_line_and_leaves_nothing(tiny_disk: Path, name: str) -> None:
    destination = make(tiny_disk / name)
    sink = only(destination.sinks_for(video()))
    sink.open(video())
    with pytest.raises(OutputFailed, match="the disk is full; free some space or write elsewhere"):
        write_many(sink)
    sink.abandon()
    if name != "out":
        with pytest.raises(OutputFailed, match="the disk is full"):
            destination.close()
    assert not list(tiny_disk.iterdir())


@pytest.mark.parametrize("name", ["out", "all.csv"])
def test_a_read_only_file_system_is_refused_before_the_run(tiny_disk: Path, name: str) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(OutputFailed, match="the file system is read-only; write elsewhere"):
        make(tiny_disk / name).check()
