"""A staged file appears whole or not at all, whatever happens to its writer."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages.errors import OutputExists, OutputFailed
from stages.sink.staged import StagedFile, part_path

WRITE_AND_WAIT = """
import sys, pathlib
from stages.sink.staged import StagedFile
staged = StagedFile(pathlib.Path(sys.argv[1]))
staged.file.write(b"half")
staged.file.flush()
print("written", flush=True)
sys.stdin.read()
"""


def test_nothing_is_visible_before_publish(tmp_path: Path) -> None:
    staged = StagedFile(tmp_path / "a.csv")
    staged.file.write(b"rows")
    staged.seal()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv.part"]
    staged.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"rows"
    assert repr(staged) == "<StagedFile a.csv published>"


def test_makes_missing_folders_and_takes_any_name(tmp_path: Path) -> None:
    path = tmp_path / "köln" / "été ☀" / "a b.csv"
    staged = StagedFile(path)
    staged.seal()
    staged.publish()
    assert path.is_file()


def test_discard_leaves_nothing_and_may_be_repeated(tmp_path: Path) -> None:
    staged = StagedFile(tmp_path / "a.csv")
    staged.file.write(b"rows")
    staged.discard()
    staged.discard()
    assert not list(tmp_path.iterdir())


def test_discard_after_publish_keeps_the_file(tmp_path: Path) -> None:
    staged = StagedFile(tmp_path / "a.csv")
    staged.seal()
    staged.publish()
    staged.discard()
    assert (tmp_path / "a.csv").exists()


def test_an_existing_target_is_refused_by_name_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(OutputExists, match=r"a\.csv: exists already.*--force"):
        StagedFile(tmp_path / "a.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_target_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    staged = StagedFile(tmp_path / "a.csv")
    staged.seal()
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(OutputExists):
        staged.publish()
    staged.discard()
    assert (tmp_path / "a.csv").read_text() == "mine"


def test_force_replaces_the_target_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    staged = StagedFile(path, force=True)
    staged.file.write(b"new")
    staged.seal()
    assert path.read_text() == "old"
    staged.publish()
    assert path.read_text() == "new"


def test_publishing_unsealed_bytes_is_a_mistake(tmp_path: Path) -> None:
    staged = StagedFile(tmp_path / "a.csv")
    with pytest.raises(RuntimeError, match="not sealed"):
        staged.publish()
    staged.discard()


def test_a_file_that_another_run_writes_is_refused(tmp_path: Path) -> None:
    first = StagedFile(tmp_path / "a.csv")
    first.file.write(b"rows")
    with pytest.raises(OutputFailed, match="another run"):
        StagedFile(tmp_path / "a.csv")
    first.seal()
    first.publish()
    assert (tmp_path / "a.csv").read_bytes() == b"rows"


def test_what_a_killed_run_left_is_taken_over(tmp_path: Path) -> None:
    """The writer is killed between its first bytes and its seal."""
    path = tmp_path / "a.csv"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_WAIT, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        with pytest.raises(OutputFailed, match="another run"):
            StagedFile(path)
        writer.send_signal(signal.SIGKILL)
    assert [left.name for left in tmp_path.iterdir()] == ["a.csv.part"]
    assert part_path(path).read_bytes() == b"half"

    staged = StagedFile(path)
    assert staged.took_over
    staged.seal()
    staged.publish()
    assert path.read_bytes() == b""
    assert [left.name for left in tmp_path.iterdir()] == ["a.csv"]


def test_a_folder_in_the_targets_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(OutputFailed, match=r"a\.csv: this is a folder"):
        StagedFile(tmp_path / "a.csv", force=True)


def test_a_file_in_a_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputFailed, match="is a file, not a folder"):
        StagedFile(tmp_path / "out" / "a.csv")


def test_a_destination_that_takes_no_files_is_named() -> None:
    with pytest.raises(OutputFailed, match=r"^/proc/a\.csv: .*write elsewhere"):
        StagedFile(Path("/proc/a.csv"))


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(OutputFailed, match="no permission"):
            StagedFile(tmp_path / "a.csv")
    finally:
        tmp_path.chmod(0o755)


def test_no_room_is_named_and_discard_still_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the file's size stands in for a full disk: both refuse the write in the same place."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    staged = StagedFile(tmp_path / "a.csv")
    staged.file.write(b"x" * 2000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(OutputFailed, match=r"a\.csv: .*write elsewhere"):
            staged.seal()
        staged.discard()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())
