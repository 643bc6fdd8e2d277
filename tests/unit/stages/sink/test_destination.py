"""A run's results: one table or a folder, refused early, committed whole."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stages.errors import OutputExists, OutputFailed
from stages.sink.base import Sink
from stages.sink.destination import FolderDestination, TableDestination
from tests.unit.stages.sink.scenes import (
    OUTPUTS,
    ended,
    make,
    names,
    observation,
    only,
    rows_of,
    run,
    video,
)


def test_the_ending_chooses_between_table_and_folder(tmp_path: Path) -> None:
    for name in ("a.csv", "a.PARQUET", "a.jsonl"):
        assert isinstance(make(tmp_path / name), TableDestination)
    for name in ("out", "out.d", "out.mp4"):
        assert isinstance(make(tmp_path / name), FolderDestination)


def test_several_sources_get_a_folder_each(tmp_path: Path) -> None:
    destination = make(tmp_path / "out", "köln", "köln-2")
    destination.check()
    for source_id in ("köln", "köln-2"):
        run(only(destination.sinks_for(video(source_id))), [observation(0, source_id=source_id)], source_id)
    assert names(tmp_path / "out") == sorted(f"{name}/{output}" for name in ("köln", "köln-2") for output in OUTPUTS)


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
