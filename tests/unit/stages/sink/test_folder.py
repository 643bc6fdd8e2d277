"""The folder of one source: its files agree, are refused early and committed whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from stages.errors import OutputExists, SourceBroken
from stages.sink.metadata import RunDescription
from tests.unit.stages.sink.scenes import (
    DIMENSION,
    OUTPUTS,
    RUN,
    ended,
    make,
    names,
    observation,
    only,
    read_json,
    rows_of,
    run,
    video,
)

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


def test_a_folder_holds_three_files_that_agree(tmp_path: Path) -> None:
    destination = make(tmp_path / "out")
    destination.check()
    assert not list(tmp_path.iterdir()), "a check leaves nothing"
    run(only(destination.begin().sinks_for(video())), [observation(0, 2), observation(2, 0), observation(4, 1)])
    destination.close()
    assert names(tmp_path / "out") == OUTPUTS
    rows = rows_of(tmp_path / "out" / "detections.csv")
    with h5py.File(tmp_path / "out" / "embeddings.hdf5") as file:
        assert [int(row["frame_num"]) for row in rows] == file["frame_nums"][:].tolist() == [0, 0, 4]
        assert [int(row["face_num"]) for row in rows] == file["face_nums"][:].tolist() == [0, 1, 0]
        assert file["embeddings"].shape == (3, DIMENSION)


def test_metadata_has_the_cpp_visages_keys_first_then_ours(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "out").begin().sinks_for(video()))
    sink.open(video(fps=30000 / 1001, rotation_degrees=90, decoder="h264 on cuda"))
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
        ("framecount", 4),
        ("frameskip", 2),
        ("codec", "h264"),
    ]
    expected = {
        "rotation": 90,
        "duration": 4.0,
        "decoder": "h264 on cuda",
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


def test_metadata_spells_out_a_byte_of_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "out").begin().sinks_for(video()))
    sink.open(video(uri=os.fsdecode(b"caf\xe9.mp4")))
    sink.close(ended())
    assert read_json(tmp_path / "out" / "metadata.json")["filepath"] == r"caf\xe9.mp4"


@pytest.mark.parametrize(
    ("is_whole", "changes", "framecount"),
    [
        (True, {}, 104),
        (False, {}, 100),
        (True, {"interrupted": True}, 100),
        (True, {"error": SourceBroken("clip broke", frame_index=104, pts_seconds=4.16)}, 100),
    ],
)
def test_framecount_is_what_was_decoded_where_that_was_all(
    tmp_path: Path, is_whole: bool, changes: dict[str, Any], framecount: int
) -> None:
    """The container says 100."""
    sink = only(make(tmp_path / "out", run=replace(RUN, is_whole=is_whole)).begin().sinks_for(video()))
    sink.open(video())
    sink.close(ended(frames=104, **changes))
    assert read_json(tmp_path / "out" / "metadata.json")["framecount"] == framecount


def test_framecount_is_what_was_decoded_where_the_container_does_not_say(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "out").begin().sinks_for(video()))
    sink.open(video(frame_count=None, fps=None))
    sink.close(ended(frames=7))
    metadata = read_json(tmp_path / "out" / "metadata.json")
    assert (metadata["framecount"], metadata["fps"]) == (7, None)


def test_a_source_that_breaks_keeps_its_rows_and_says_where(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "out").begin().sinks_for(video()))
    sink.open(video())
    sink.write(observation(0))
    sink.close(ended(frames=30, error=SourceBroken("clip broke at frame 30", frame_index=30, pts_seconds=1.16)))
    assert len(rows_of(tmp_path / "out" / "detections.csv")) == 1
    metadata = read_json(tmp_path / "out" / "metadata.json")
    assert metadata["complete"] is False
    assert metadata["error"] == {"message": "clip broke at frame 30", "frame_num": 30, "timestamp": 1.16}


def test_an_interrupted_source_is_not_complete(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "out").begin().sinks_for(video()))
    sink.open(video())
    sink.close(ended(interrupted=True))
    metadata = read_json(tmp_path / "out" / "metadata.json")
    assert (metadata["complete"], metadata["interrupted"], metadata["error"]) == (False, True, None)


def test_detection_only_writes_no_embeddings_and_removes_old_ones(tmp_path: Path) -> None:
    run(only(make(tmp_path / "out").begin().sinks_for(video())), [observation(0)])
    detection_only = RunDescription(detector="yunet")
    destination = make(tmp_path / "out", force=True, run=detection_only)
    run(only(destination.begin().sinks_for(video())), [observation(0, 2, dimension=None)])
    assert names(tmp_path / "out") == ["detections.csv", "metadata.json"]
    assert read_json(tmp_path / "out" / "metadata.json")["embedder"] is None


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_folder_with_outputs_is_refused_early_and_late(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputExists, match=rf"{name}: exists already.*--force"):
        make(tmp_path).check()
    sink = only(make(tmp_path).begin().sinks_for(video()))
    with pytest.raises(OutputExists, match=name):
        sink.open(video())
    sink.abandon()
    assert names(tmp_path) == [name]
    make(tmp_path, force=True).check()


def test_a_folder_with_other_things_in_it_is_fine(tmp_path: Path) -> None:
    (tmp_path / "movie.mp4").write_text("film")
    destination = make(tmp_path)
    destination.check()
    run(only(destination.begin().sinks_for(video())), [])
    assert names(tmp_path) == sorted([*OUTPUTS, "movie.mp4"])


def test_force_keeps_the_old_folder_until_the_new_is_whole(tmp_path: Path) -> None:
    run(only(make(tmp_path).begin().sinks_for(video())), [observation(0)])
    sink = only(make(tmp_path, force=True).begin().sinks_for(video()))
    sink.open(video())
    sink.write(observation(0, 5))
    assert len(rows_of(tmp_path / "detections.csv")) == 1
    sink.abandon()
    assert names(tmp_path) == OUTPUTS
    run(only(make(tmp_path, force=True).begin().sinks_for(video())), [observation(0, 5)])
    assert len(rows_of(tmp_path / "detections.csv")) == 5


def test_abandon_leaves_nothing_of_a_new_folder(tmp_path: Path) -> None:
    sink = only(make(tmp_path / "deep" / "out").begin().sinks_for(video()))
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
    run(only(destination.begin().sinks_for(video())), [observation(0, 3)])
    assert names(tmp_path) == OUTPUTS
    assert len(rows_of(tmp_path / "detections.csv")) == 3
