"""Every container with every kind of damage: what lost pictures says so, and what is whole says that.

Not here: what nothing in a file tells. FFmpeg takes each of these for whole, also when it is asked to give up at the
first error (`-err_detect explode`).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages.errors import SourceBroken
from tests.unit.stages.decode.sources import needs_field_order, source, take_all

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the command ffmpeg, which makes the films")

FRAMES = 100
SOUND = ("-f", "lavfi", "-i", "sine=440:duration=4", "-shortest")
CONTAINERS: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "MP4": ("film.mp4", True, ("-c:v", "libx264", "-g", "12", "-movflags", "+faststart")),
    "MKV": ("film.mkv", True, ("-c:v", "libx264", "-g", "12")),
    "TS": ("film.ts", True, ("-c:v", "libx264", "-g", "12")),
    "PS": ("film.mpg", True, ("-c:v", "mpeg2video", "-b:v", "1M", "-c:a", "mp2")),
    "AVI": ("film.avi", True, ("-c:v", "mpeg4", "-b:v", "1M", "-c:a", "mp2")),
    "Ogg": ("film.ogv", True, ("-c:v", "libtheora", "-b:v", "1M", "-c:a", "libvorbis")),
    "GIF": ("film.gif", False, ()),
    "FLV": ("film.flv", True, ("-c:v", "flv1", "-b:v", "1M", "-c:a", "aac")),
    "WebM": ("film.webm", True, ("-c:v", "libvpx", "-deadline", "realtime", "-b:v", "1M", "-c:a", "libvorbis")),
    "WMV": ("film.wmv", True, ("-c:v", "wmv2", "-b:v", "1M", "-c:a", "wmav2")),
    "raw": ("film.h264", False, ("-c:v", "libx264", "-g", "12")),
}
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2 + 77],
    "zeroed end": lambda data: data[: len(data) // 2].ljust(len(data), b"\0"),
    "hole": lambda data: data[: len(data) // 2].ljust(len(data) * 3 // 5, b"\0") + data[len(data) * 3 // 5 :],
    "preallocated": lambda data: data[: len(data) // 2].ljust(2 * len(data), b"\0"),
    "overwritten": lambda data: data[: len(data) // 2] + noise(20_000) + data[len(data) // 2 + 20_000 :],
    "cut out": lambda data: data[: len(data) // 2] + data[len(data) // 2 + 5_001 :],
    "flipped": lambda data: flipped(data, 40),
}


UNTOLD = {
    ("raw", "cut"): "FFmpeg conceals what is missing of the last picture",
    ("raw", "cut out"): "a bare stream does not count its pictures",
    ("GIF", "flipped"): "GIF has no checksums: all pictures come, some of them in other colours",
    ("WebM", "flipped"): "VP8 has no checksums: all pictures come, some of them torn",
    ("WMV", "flipped"): "WMV has no checksums: all pictures come, some of them torn",
}


def noise(length: int) -> bytes:
    return np.random.default_rng(8).bytes(length)


def flipped(data: bytes, count: int) -> bytes:
    """One bit in so many places between a third and two thirds."""
    changed = np.frombuffer(data, np.uint8).copy()
    chance = np.random.default_rng(8)
    places = chance.integers(len(data) // 3, len(data) * 2 // 3, count)
    changed[places] ^= 1 << chance.integers(0, 8, count).astype(np.uint8)
    return changed.tobytes()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("films")

    def film(container: str) -> Path:
        name, has_sound, options = CONTAINERS[container]
        path = folder / name
        if not path.exists():
            pictures = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", *(SOUND if has_sound else ()))
            command = ["ffmpeg", "-v", "error", *pictures, "-vf", "noise=alls=8:allf=t", *options, str(path)]
            subprocess.run(command, check=True, timeout=60)
        return path

    return film


def looked_at(path: Path, **properties: object) -> tuple[list[int], int, SourceBroken | None]:
    """Indices of the frames that came, `frames_decoded`, and how it ended."""
    indices: list[int] = []
    opened = source(path, **properties)  # type: ignore[arg-type]
    broken = None
    try:
        opened.open()
        take_all(opened, indices)
    except SourceBroken as error:
        broken = error
    finally:
        opened.close()
    return indices, opened.frames_decoded, broken


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_is_whole_is_complete(films: Callable[[str], Path], container: str) -> None:
    assert looked_at(films(container)) == (list(range(FRAMES)), FRAMES, None)


@needs_field_order
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("container", CONTAINERS)
def test_what_lost_pictures_says_so(films: Callable[[str], Path], tmp_path: Path, container: str, damage: str) -> None:
    if (container, damage) in UNTOLD:
        pytest.skip(UNTOLD[container, damage])
    whole = films(container)
    path = tmp_path / whole.name
    path.write_bytes(DAMAGE[damage](whole.read_bytes()))
    indices, frames_decoded, broken = looked_at(path)
    assert broken is not None
    assert "\n" not in str(broken)
    assert 20 < len(indices) < FRAMES or (damage == "flipped" and len(indices) <= FRAMES)
    assert frames_decoded == len(indices)


@needs_field_order
@pytest.mark.parametrize("frameskip", [2, 5])
def test_a_hole_is_counted_also_where_frames_are_skipped(
    films: Callable[[str], Path], tmp_path: Path, frameskip: int
) -> None:
    path = tmp_path / "hole.mp4"
    path.write_bytes(DAMAGE["hole"](films("MP4").read_bytes()))
    indices, _, broken = looked_at(path, frameskip=frameskip)
    assert broken is not None
    assert 40 <= broken.frame_index < 60
    assert indices[-1] == (FRAMES - 1) // frameskip * frameskip


@needs_field_order
def test_damage_outside_the_range_that_is_looked_at_does_not_count(
    films: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "hole.mp4"
    path.write_bytes(DAMAGE["hole"](films("MP4").read_bytes()))
    assert looked_at(path, end_seconds=1.0)[2] is None
    assert looked_at(path, start_seconds=3.0)[2] is None
    assert looked_at(path, end_seconds=3.0)[2] is not None


def test_pictures_that_go_on_in_another_stream_are_missing(films: Callable[[str], Path], tmp_path: Path) -> None:
    """A broadcast that changed its numbers: only the first part is read."""
    parts = [tmp_path / "1.ts", tmp_path / "2.ts"]
    for number, part in enumerate(parts, 1):
        command = ["ffmpeg", "-v", "error", "-i", str(films("TS")), "-c", "copy"]
        subprocess.run([*command, "-mpegts_start_pid", str(256 * number), str(part)], check=True, timeout=60)
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    indices, _, broken = looked_at(path)
    assert len(indices) == FRAMES
    assert "another stream" in str(broken)


def test_two_recordings_in_one_transport_stream_are_whole(films: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "both.ts"
    path.write_bytes(2 * films("TS").read_bytes())
    assert looked_at(path) == (list(range(2 * FRAMES)), 2 * FRAMES, None)
