"""Small films in every container, and the damage that disks, downloads and copies do to them; the same each time."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av

__all__ = ["Damaged", "damaged_films", "whole_films"]

FRAMES, FPS = 48, 24

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12")
MPEG2 = ("-c:v", "mpeg2video", "-b:v", "800k", "-c:a", "mp2")
FILMS: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "mp4-fast": ("mp4", True, (*H264, "-c:a", "aac", "-movflags", "+faststart")),
    "mp4": ("mp4", True, (*H264, "-c:a", "aac")),
    "mp4-fragments": ("mp4", True, (*H264, "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov")),
    "mp4-hevc": ("mp4", False, ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")),
    "mov": ("mov", True, (*H264, "-bf", "2", "-c:a", "pcm_s16le")),
    "mov-prores": ("mov", False, ("-c:v", "prores_ks", "-profile:v", "0")),
    "mkv": ("mkv", True, (*H264, "-c:a", "libvorbis")),
    "mkv-mjpeg": ("mkv", False, ("-c:v", "mjpeg", "-q:v", "8")),
    "webm": ("webm", True, ("-c:v", "libvpx", "-deadline", "realtime", "-b:v", "800k", "-c:a", "libvorbis")),
    "webm-vp9": ("webm", False, ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "800k")),
    "avi": ("avi", True, ("-c:v", "mpeg4", "-b:v", "800k", "-c:a", "mp2")),
    "flv": ("flv", True, ("-c:v", "flv1", "-b:v", "800k", "-c:a", "aac")),
    "flv-h264": ("flv", True, (*H264, "-c:a", "aac")),
    "wmv": ("wmv", True, ("-c:v", "wmv2", "-b:v", "800k", "-c:a", "wmav2")),
    "ogv": ("ogv", True, ("-c:v", "libtheora", "-b:v", "800k", "-c:a", "libvorbis")),
    "ts": ("ts", True, (*H264, "-c:a", "aac")),
    "ts-mpeg2": ("ts", True, MPEG2),
    "m2ts": ("m2ts", True, (*H264, "-c:a", "ac3")),
    "mpg": ("mpg", True, MPEG2),
    "vob": ("vob", True, (*MPEG2, "-f", "vob")),
    "mxf": ("mxf", False, ("-c:v", "mpeg2video", "-b:v", "800k")),
    "3gp": ("3gp", False, ("-c:v", "h263", "-s", "352x288", "-b:v", "800k")),
    "h264": ("h264", False, H264),
    "hevc": ("hevc", False, ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")),
    "m2v": ("m2v", False, ("-c:v", "mpeg2video", "-b:v", "800k")),
    "y4m": ("y4m", False, ("-s", "96x64", "-pix_fmt", "yuv420p")),
    "gif": (
        "gif",
        False,
        (
            "-s",
            "160x90",
        ),
    ),
}
BARE = frozenset({"h264", "hevc", "m2v"})
BROADCAST = frozenset({"ts", "ts-mpeg2", "m2ts"})
TELL_NOTHING = {
    "cut": BARE | BROADCAST | {"y4m"},
    "header": BARE | BROADCAST | {"mpg", "vob"},
    "overwritten": BARE,
    "excised": BARE,
    "flipped": BARE,
}
"""Where damage may leave no trace, by what was done (docs/inputs/films.md): bare streams do not count their pictures,
and a recording may begin with pictures that can't be decoded."""

Damage = Callable[[bytearray, random.Random], None]


@dataclass(frozen=True, slots=True)
class Damaged:
    """A damaged film.

    Attributes:
        frames: of the whole one.
        may_seem_whole: nothing in the file tells that its end is missing.
    """

    path: Path
    frames: int
    damage: str
    may_seem_whole: bool


def whole_films(folder: Path) -> dict[str, tuple[Path, int]]:
    """Each film and how many frames a decoder gives of it; made where they are missing. Needs the command ffmpeg."""
    folder.mkdir(parents=True, exist_ok=True)
    films = {}
    for name, (suffix, has_sound, options) in FILMS.items():
        path = folder / f"{name}.{suffix}"
        if not path.exists():
            seconds = FRAMES / FPS
            sources = ["-f", "lavfi", "-i", f"testsrc2=s=320x180:r={FPS}:d={seconds}"]
            if has_sound:
                sources += ["-f", "lavfi", "-i", f"sine=440:duration={seconds}", "-shortest"]
            command = ["ffmpeg", "-v", "error", "-y", *sources, "-vf", "noise=alls=8:allf=t", *options, str(path)]
            if subprocess.run(command, check=False, timeout=120, capture_output=True).returncode:
                path.unlink(missing_ok=True)
                continue  # an encoder that this ffmpeg does not have
        with av.open(str(path)) as container:
            films[name] = path, sum(1 for _ in container.decode(video=0))
    return films


def damaged_films(folder: Path, *, count: int, seed: int) -> Iterator[Damaged]:
    """`count` damaged films: every container with every damage in turn, at places that `seed` decides."""
    whole = whole_films(folder / "whole")
    target = folder / "damaged"
    target.mkdir(parents=True, exist_ok=True)
    pairs = [(name, damage) for damage in DAMAGES for name in whole]
    for number in range(count):
        name, damage = pairs[number % len(pairs)]
        source, frames = whole[name]
        data = bytearray(source.read_bytes())
        DAMAGES[damage](data, random.Random(f"{seed}/{number}"))  # not a secret
        path = target / f"{number:04}_{name}_{damage}{source.suffix}"
        path.write_bytes(data or b"\0")
        yield Damaged(path, frames, damage, name in TELL_NOTHING.get(damage, ()))


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


def _zeroed(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data) * 9 // 10)
    data[start:] = bytes(len(data) - start)


def _holed(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 4))):
        length = chance.choice((512, 4096, 32_768))
        start = chance.randrange(len(data))
        data[start : start + length] = bytes(len(data[start : start + length]))


def _preallocated(data: bytearray, chance: random.Random) -> None:
    length = len(data)
    del data[chance.randrange(length // 10, length) :]
    data.extend(bytes(2 * length - len(data)))


def _flipped(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 10, 100, 1000))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _misheaded(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 8, 64))):
        data[chance.randrange(min(2000, len(data)))] = chance.randrange(256)


def _excised(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    del data[start : start + chance.choice((1, 512, 5000))]


def _overwritten(data: bytearray, chance: random.Random) -> None:
    start, length = chance.randrange(len(data)), chance.choice((512, 4096, 32_768))
    data[start : start + length] = chance.randbytes(len(data[start : start + length]))


DAMAGES: dict[str, Damage] = {
    "cut": _cut,
    "zeroed": _zeroed,
    "holed": _holed,
    "preallocated": _preallocated,
    "flipped": _flipped,
    "header": _misheaded,
    "excised": _excised,
    "overwritten": _overwritten,
}
