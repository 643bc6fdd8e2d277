"""A run's results: one table or a folder, refused early, committed whole."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stages.errors import OutputExists, OutputFailed
from stages.sink.destination import Destination, FolderDestination, JobDestination, TableDestination
from stages.sink.joins import LinesJoin
from stages.sink.source_sinks import SourceSinks
from stages.sink.table import JoinedTable, part_names
from tests.unit.stages.sink.scenes import (
    OUTPUTS,
    ended,
    make,
    names,
    observation,
    rows_of,
    video,
)


def test_the_ending_chooses_between_table_and_folder(tmp_path: Path) -> None:
    for name in ("a.csv", "a.PARQUET", "a.jsonl"):
        assert isinstance(make(tmp_path / name), TableDestination)
    for name in ("out", "out.d", "out.mp4"):
        assert isinstance(make(tmp_path / name), FolderDestination)


def started(destination: Destination, job: JobDestination, source_id: str = "clip") -> SourceSinks:
    """A source of a run in one process: its own sinks, and behind them those that it shares with the others."""
    source, info = SourceSinks(), video(source_id)
    source.open(lambda: [*job.sinks_for(info), *destination.shared_sinks(info)], info)
    return source


def test_several_sources_get_a_folder_each(tmp_path: Path) -> None:
    destination = make(tmp_path / "out", "köln", "köln-2")
    destination.check()
    for source_id in ("köln", "köln-2"):
        source = started(destination, destination.begin(), source_id)
        source.write(observation(0, source_id=source_id))
        source.close(ended(source_id))
    assert names(tmp_path / "out") == sorted(f"{name}/{output}" for name in ("köln", "köln-2") for output in OUTPUTS)


def test_a_table_has_its_sources_in_their_order_and_appears_at_the_end_of_the_run(tmp_path: Path) -> None:
    """Whatever order they are written and end in, so that any number of workers makes the same table."""
    path = tmp_path / "all.csv"
    destination = make(path, "a", "b")
    destination.check()
    job = destination.begin()
    first, second = started(destination, job, "a"), started(destination, job, "b")
    first.write(observation(0, source_id="a"))
    second.write(observation(0, 2, source_id="b"))
    first.write(observation(1, source_id="a"))
    second.write(observation(1, source_id="b"))
    second.close(ended("b"))
    first.close(ended("a"))
    assert not path.exists()
    destination.close()
    assert names(tmp_path) == ["all.csv"]
    found = [(row["source"], row["frame_num"], row["face_num"]) for row in rows_of(path)]
    a, b = "/videos/a.mp4", "/videos/b.mp4"
    assert found == [(a, "0", "0"), (a, "1", "0"), (b, "0", "0"), (b, "0", "1"), (b, "1", "0")]


def test_a_table_has_no_rows_of_an_abandoned_source(tmp_path: Path) -> None:
    destination = make(tmp_path / "all.parquet", "a", "b")
    job = destination.begin()
    first, second = started(destination, job, "a"), started(destination, job, "b")
    for source, name in ((first, "a"), (second, "b")):
        source.write(observation(0, source_id=name))
    first.abandon()
    second.close(ended("b"))
    destination.close()
    assert pq.read_table(tmp_path / "all.parquet")["source"].to_pylist() == ["/videos/b.mp4"]
    assert names(tmp_path) == ["all.parquet"]


def test_a_table_of_abandoned_sources_only_is_discarded(tmp_path: Path) -> None:
    destination = make(tmp_path / "all.csv")
    source = started(destination, destination.begin())
    source.write(observation(0))
    source.abandon()
    destination.close()
    assert not list(tmp_path.iterdir())


def test_two_runs_can_not_write_one_table_and_the_next_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    left = tmp_path / "all.csv.killed.parts"
    left.mkdir()
    (left / "000000.csv").write_text("a row")
    first = make(tmp_path / "all.csv")
    first.begin()
    assert not left.exists()
    with pytest.raises(OutputFailed, match="another run is writing this file"):
        make(tmp_path / "all.csv").begin()
    first.discard()
    assert not list(tmp_path.iterdir())


def test_a_run_without_sources_makes_no_table(tmp_path: Path) -> None:
    destination = make(tmp_path / "all.csv")
    destination.begin()
    destination.close()
    assert not list(tmp_path.iterdir())


def test_an_existing_table_is_refused_before_the_run(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("mine")
    with pytest.raises(OutputExists, match=r"all\.csv: exists already.*--force"):
        make(path).check()
    forced = make(path, force=True)
    forced.check()
    source = started(forced, forced.begin())
    source.write(observation(0))
    source.close(ended())
    forced.close()
    assert len(rows_of(path)) == 1


def test_a_file_in_the_folders_place_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputFailed, match="is a file, not a folder"):
        make(tmp_path / "out").check()


def write_many(source: SourceSinks) -> None:
    for index in range(10_000):
        source.write(observation(index, 8))


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
    source = started(destination, destination.begin())
    with pytest.raises(OutputFailed, match="the disk is full; free some space or write elsewhere"):
        write_many(source)
    destination.close()
    assert not list(tiny_disk.iterdir())


def test_a_disk_that_is_full_when_parts_are_joined_fails_every_source_that_is_left(tiny_disk: Path) -> None:
    """Each part fits, and the first with its copy does not."""
    table = JoinedTable(tiny_disk / "all.csv", ["a", "b"], lambda descriptor: LinesJoin(descriptor, b"header"))
    assert table.folder is not None
    for name in part_names(["a", "b"], ".csv").values():
        (table.folder / name).write_bytes(bytes(400_000))
    with pytest.raises(OutputFailed, match="the disk is full"):
        table.end("a")
    with pytest.raises(OutputFailed, match="the disk is full"):
        table.end("b")
    with pytest.raises(OutputFailed, match="the disk is full"):
        table.close()
    assert not list(tiny_disk.iterdir())


@pytest.mark.parametrize("name", ["out", "all.csv"])
def test_a_read_only_file_system_is_refused_before_the_run(tiny_disk: Path, name: str) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(OutputFailed, match="the file system is read-only; write elsewhere"):
        make(tiny_disk / name).check()
