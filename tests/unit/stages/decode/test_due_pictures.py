"""Pictures that never come are counted, but for those that a recording begins with and that need others before it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import pytest

from stages.decode.due_pictures import DuePictures, Number, is_closed
from stages.errors import SourceBroken
from tests.clips import write_clip
from tests.unit.stages.decode.sources import needs_field_order
from tests.unit.stages.decode.test_damage_table import looked_at

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the command ffmpeg, which makes the films")

TS_BYTES = 188
PICTURES = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4,noise=alls=8:allf=t")
OPEN = "keyint=25:bframes=4:open-gop=1"
RECORDINGS: dict[str, tuple[str, ...]] = {
    "closed.ts": ("-c:v", "libx264", "-g", "25"),
    "open.ts": ("-c:v", "libx264", "-x264-params", OPEN),
    "refreshed.ts": ("-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=25"),
    "hevc.ts": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", f"log-level=none:{OPEN}"),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-b:v", "1M", "-bf", "2", "-g", "15"),
}


def film(path: Path, *options: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", *PICTURES, *options, str(path)], check=True, timeout=60)
    return path


def test_what_never_comes_is_given_up_once_what_follows_has_come() -> None:
    due = DuePictures()
    for number in (0, 3, 1, 2):
        due.add(number, is_counted=number == 1)
    assert not due.take(Number(0))
    assert due.before(2) == []  # 1 was counted before
    due.count(Number(2))
    assert due.before(None) == [3]
    assert due.before(None) == []


@needs_ffmpeg
@needs_field_order
@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_that_begins_within_a_group_is_whole(tmp_path: Path, name: str) -> None:
    path = film(tmp_path / name, *RECORDINGS[name])
    assert looked_at(path)[2] is None
    data = path.read_bytes()
    path.write_bytes(data[len(data) // 3 // TS_BYTES * TS_BYTES :])
    indices, frames_decoded, broken = looked_at(path)
    assert broken is None
    assert 0 < len(indices) == frames_decoded < 100


@needs_ffmpeg
@needs_field_order
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("film.mp4", ("-c:v", "libx264", "-g", "12")),
        ("film.mov", ("-c:v", "prores_ks")),
        ("film.mkv", ("-c:v", "mjpeg")),
    ],
)
def test_a_first_picture_that_can_not_be_decoded_is_lost(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    path = film(tmp_path / name, *options)
    with av.open(str(path)) as container:
        first = next(container.demux(video=0))
    assert first.pos is not None
    data = bytearray(path.read_bytes())
    data[first.pos : first.pos + 60] = b"?" * 60
    path.write_bytes(data)
    indices, _, broken = looked_at(path)
    assert len(indices) < 100
    assert broken is not None


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options", "lost"),
    [
        ("film.hevc", ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=25"), 25),
        ("film.m2v", ("-c:v", "mpeg2video", "-b:v", "2M", "-g", "12"), 1),
    ],
)
@needs_field_order
def test_pictures_of_a_bare_stream_that_nothing_comes_of_are_counted(
    tmp_path: Path, name: str, options: tuple[str, ...], lost: int
) -> None:
    path = film(tmp_path / name, *options)
    assert looked_at(path)[2] is None
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 3000 :])
    indices, _, broken = looked_at(path)
    assert 100 - 2 * lost < len(indices) <= 100
    assert "damaged" in str(broken)


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        ("h264", b"\0\0\1\x67..\0\0\1\x68..\0\0\1\x65...", True),
        ("h264", b"\0\0\1\x67..\0\0\1\x06..\0\0\1\x41...", False),
        ("hevc", b"\0\0\1\x40\1.\0\0\1\x28\1...", True),
        ("hevc", b"\0\0\1\x40\1.\0\0\1\x2a\1...", False),
        ("mpeg2video", b"\0\0\1\xb8abc\x40\0\0\1\0..", True),
        ("mpeg2video", b"\0\0\1\xb8abc\x3f\0\0\1\0..", False),
        ("mpeg2video", b"\0\0\1\xb8a", False),
    ],
)
def test_groups_that_need_nothing_from_before_them(codec: str, data: bytes, expected: bool) -> None:
    assert is_closed(data, codec) is expected


def test_films_that_are_decoded_at_once_do_not_take_each_others_marks(tmp_path: Path) -> None:
    """Their pictures have the same numbers; PyAV forgot one film's marks with the other's packets."""
    paths = [write_clip(tmp_path / f"{name}.mp4", frames=60) for name in "abcd"]
    begin = threading.Barrier(len(paths))

    def read(path: Path) -> list[tuple[list[int], int, SourceBroken | None]]:
        begin.wait(30)
        return [looked_at(path) for _ in range(6)]

    with ThreadPoolExecutor(len(paths)) as pool:
        found = [result for results in pool.map(read, paths) for result in results]
    assert found == [(list(range(60)), 60, None)] * len(found)
