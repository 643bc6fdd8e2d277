"""A file holds one of the contents that were written to it, whole, whenever it is read and whatever fails."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.latches import Background
from visage.storage.atomic_write import atomic_write

STEPS = ("open", "fsync", "replace", None)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=3000), st.sampled_from(STEPS)), min_size=1, max_size=6))
def test_what_is_there_is_the_last_write_that_did_not_fail(writes: list[tuple[bytes, str | None]]) -> None:
    """The disk fails at any step of any write; nothing else lies beside the file afterwards."""
    expected: bytes | None = None
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "folder" / "tokens.json"
        for content, step in writes:
            with pytest.MonkeyPatch.context() as patch:
                if step is not None:
                    owner = Path if step == "replace" else os
                    patch.setattr(owner, step, refuse)
                    with pytest.raises(OSError, match="No space left"):
                        atomic_write(path, content)
                else:
                    atomic_write(path, content)
                    expected = content
            assert (path.read_bytes() if path.exists() else None) == expected
            assert list(path.parent.iterdir()) == ([] if expected is None else [path])


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_has_its_mode_before_anyone_can_open_it(tmp_path: Path, mode: int) -> None:
    umask = os.umask(0o022)
    try:
        atomic_write(tmp_path / "file", b"x", mode=mode)
    finally:
        os.umask(umask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode & ~0o022


def test_readers_never_see_a_part_of_a_file_that_several_threads_write(tmp_path: Path) -> None:
    """Four writers and a reader go on together until every writer has written thirty times."""
    path = tmp_path / "file"
    contents = [bytes([number]) * 50_000 for number in range(4)]
    atomic_write(path, contents[0])
    together = threading.Barrier(len(contents) + 1)

    def write(content: bytes) -> None:
        together.wait()
        for _ in range(30):
            atomic_write(path, content)

    writers = [Background(lambda content=content: write(content)) for content in contents]  # type: ignore[misc]
    together.wait()
    while any(writer.is_running for writer in writers):
        assert path.read_bytes() in contents
    for writer in writers:
        writer.result()
    assert list(tmp_path.iterdir()) == [path]


def refuse(*arguments: object, **named: object) -> int:
    raise OSError(28, "No space left on device")
