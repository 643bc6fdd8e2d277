"""Pictures that a transport stream or Ogg lost to flipped and overwritten bytes are counted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from stages.decode.seams import holds_transport_stream
from tests.unit.stages.decode.test_damage_table import FRAMES, films, looked_at

__all__ = ["films"]

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the command ffmpeg, which makes the films")


def film(tmp_path: Path, suffix: str, *options: str) -> Path:
    path = tmp_path / f"film{suffix}"
    pictures = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", "-vf", "noise=alls=8:allf=t")
    subprocess.run(["ffmpeg", "-v", "error", *pictures, *options, str(path)], check=True, timeout=60)
    return path


H264 = ("-c:v", "libx264", "-g", "12", "-bf", "0")
FILMS = {".ts": H264, ".m2ts": H264, ".ogv": ("-c:v", "libtheora", "-b:v", "1M")}


@pytest.mark.parametrize("suffix", FILMS)
def test_a_picture_whose_head_was_overwritten_is_counted(suffix: str, tmp_path: Path) -> None:
    path = film(tmp_path, suffix, *FILMS[suffix])
    assert looked_at(path)[2] is None
    data = bytearray(path.read_bytes())
    if suffix == ".ogv":
        page = data.index(b"OggS", len(data) // 2)
        data[page + 200] ^= 16  # its checksum is wrong then, and FFmpeg leaves the page out
    else:
        size, offset = (192, 4) if suffix == ".m2ts" else (188, 0)
        heads = [
            at
            for at in range(offset, len(data) - size, size)
            if data[at + 1] & 0x40 and (data[at + 1] & 0x1F) << 8 | data[at + 2] in (0x100, 0x1011)
        ]
        head = heads[len(heads) // 2]
        start = data.index(b"\0\0\1\xe0", head)
        data[start + 2] ^= 4  # no start of a picture's packet any more
    path.write_bytes(bytes(data))
    indices, _, broken = looked_at(path)
    assert len(indices) < FRAMES
    assert broken is not None
    assert "damaged" in str(broken)


def test_a_transport_stream_holds_where_its_counters_do() -> None:
    def packet(count: int, *, pid: int = 0x100, begins: bool = False) -> bytes:
        return bytes([0x47, (pid >> 8) | 0x40 * begins, pid & 255, 0x10 | count & 15]).ljust(188, b"x")

    whole = [packet(15, begins=True), packet(3, pid=0x101), packet(16), packet(17)]
    assert holds_transport_stream(b"".join(whole), 0x100)
    assert not holds_transport_stream(b"".join(whole[:2] + whole[3:]), 0x100)
    two = b"".join([*whole, packet(18, begins=True)])
    assert not holds_transport_stream(two, 0x100)
    assert holds_transport_stream(two, 0x100, is_one_picture=False)
    timed = b"".join(b"time" + one for one in whole)  # as Blu-ray has them
    assert holds_transport_stream(timed, 0x100)
    assert not holds_transport_stream(timed[:384] + timed[576:], 0x100)
    assert not holds_transport_stream(b"".join([*whole[:1], b"?" * 188, *whole[2:]]), 0x100)


@pytest.mark.parametrize(("suffix", "codec"), [(".m2v", "mpeg2video"), (".mkv", "mjpeg")])
def test_a_hole_within_a_picture_is_no_padding(suffix: str, codec: str, tmp_path: Path) -> None:
    path = film(tmp_path, suffix, "-c:v", codec, "-b:v", "3M")
    assert looked_at(path)[2] is None
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 600] = bytes(600)
    path.write_bytes(bytes(data))
    assert "damaged" in str(looked_at(path)[2])


def test_a_blu_ray_whose_rate_changes_is_whole(tmp_path: Path) -> None:
    """Its packets are longer than those of other transport streams, and time jumps in it."""
    pictures = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4,noise=alls=8:allf=t,select='not(between(n,20,50))'")
    path = tmp_path / "film.m2ts"
    subprocess.run(["ffmpeg", "-v", "error", *pictures, "-fps_mode", "vfr", *H264, str(path)], check=True, timeout=60)
    indices, _, broken = looked_at(path)
    assert broken is None
    assert len(indices) == FRAMES - 31


def test_fragments_that_break_off_are_no_end(tmp_path: Path) -> None:
    options = ("-c:v", "libx264", "-g", "12", "-movflags", "frag_keyframe+empty_moov")
    path = film(tmp_path, ".mp4", *options)
    assert looked_at(path)[2] is None
    whole = path.read_bytes()
    third = whole.index(b"moof", whole.index(b"moof", whole.index(b"moof") + 1) + 1)
    for name, damaged in {
        "name": whole[:third] + b"moog" + whole[third + 4 :],
        "length": whole[: third - 4] + b"\x7f" + whole[third - 3 :],
        "content": whole[: third + 20] + bytes(600) + whole[third + 620 :],
    }.items():
        path.write_bytes(damaged)
        indices, _, broken = looked_at(path)
        assert len(indices) < FRAMES, name
        assert broken is not None, name


@pytest.mark.parametrize("place", [1 / 3, 0.97])
def test_blocks_of_matroska_that_were_overwritten_are_counted(place: float, tmp_path: Path) -> None:
    path = film(tmp_path, ".mkv", *H264, "-cluster_time_limit", "300")
    assert looked_at(path)[2] is None
    data = bytearray(path.read_bytes())
    cluster = data.index(b"\x1f\x43\xb6\x75", int(len(data) * place) - len(data) // 20)
    data[cluster : cluster + 200] = b"?" * 200
    path.write_bytes(bytes(data))
    indices, _, broken = looked_at(path)
    assert len(indices) < FRAMES
    assert broken is not None


def test_sound_that_no_decoder_is_known_for_is_no_fault(tmp_path: Path) -> None:
    pictures = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", "-f", "lavfi", "-i", "sine=440:duration=4")
    path = tmp_path / "film.mkv"
    command = ["ffmpeg", "-v", "error", *pictures, "-c:v", "libx264", "-c:a", "libvorbis", str(path)]
    subprocess.run(command, check=True, timeout=60)
    path.write_bytes(path.read_bytes().replace(b"A_VORBIS", b"A_UNHEAR"))
    assert looked_at(path) == (list(range(FRAMES)), FRAMES, None)


def test_pictures_missing_at_the_end_are_found_in_mxf(tmp_path: Path) -> None:
    path = film(tmp_path, ".mxf", "-c:v", "mpeg2video", "-b:v", "2M")
    assert looked_at(path)[2] is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    assert "states" in str(looked_at(path)[2]) or "lists" in str(looked_at(path)[2])
