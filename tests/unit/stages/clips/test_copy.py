from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stages.clips.copy import CantCopy, copy_clip
from stages.clips.encode import encode_clip
from stages.errors import OutputExists
from tests.clips import read_number, write_clip
from tests.unit.stages.clips.sounding import write_sounding

FRAMES, FPS = 120, 24

Way = Callable[[Path, Path, float, float], None]

CODERS = {
    "closed": ("libx264", {"g": "30", "bf": "3"}),
    "open": ("libx264", {"bf": "3", "x264-params": "keyint=25:open-gop=1:scenecut=0"}),
    "hevc, open": ("libx265", {"x265-params": "keyint=25:open-gop=1:log-level=error"}),
    "one key frame": ("libx264", {"g": "1000", "bf": "3", "sc_threshold": "0"}),
    "without B-frames": ("libx264", {"bf": "0", "g": "12"}),
}
PARTS = ((0, 10), (7, 40), (24, 25), (50, 119), (60, 90), (29, 31), (100, 120))


def numbers(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_number(np.asarray(one.to_ndarray(format="bgr24"), np.uint8)) for one in container.decode(video=0)]


@pytest.fixture(scope="module", params=sorted(CODERS))
def coder(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    return CODERS[request.param]


@pytest.fixture(scope="module", params=["mp4", "mkv", "mov"])
def film(
    coder: tuple[str, dict[str, str]], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("film")
    return write_clip(folder / f"film.{request.param}", frames=FRAMES, codec=coder[0], options=coder[1], fps=FPS)


@pytest.mark.parametrize(("first", "end"), PARTS)
def test_a_copy_shows_just_these_frames(film: Path, first: int, end: int, tmp_path: Path) -> None:
    """Times are rounded to a millisecond, as in tables."""
    copy_clip(film, tmp_path / "clip.mp4", round(first / FPS, 3), round(end / FPS, 3))
    assert numbers(tmp_path / "clip.mp4") == list(range(first, end))


def test_nothing_is_encoded_anew(film: Path, tmp_path: Path) -> None:
    copy_clip(film, tmp_path / "clip.mp4", 40 / FPS, 60 / FPS)
    with av.open(str(film)) as source, av.open(str(tmp_path / "clip.mp4")) as clip:
        there = {bytes(packet) for packet in source.demux(video=0)}
        assert all(bytes(packet) in there for packet in clip.demux(video=0))


@pytest.mark.parametrize(("first", "end"), PARTS)
def test_an_encoded_part_shows_just_these_frames(first: int, end: int, tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mkv", frames=FRAMES)
    encode_clip(film, tmp_path / "clip.mp4", first / FPS - 0.0004, end / FPS - 0.0004)
    assert numbers(tmp_path / "clip.mp4") == list(range(first, end))


def test_a_copy_of_a_copy_heeds_its_edit_list(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", frames=FRAMES, options={"g": "30", "bf": "3"})
    copy_clip(film, tmp_path / "one.mp4", 20 / FPS, 100 / FPS)
    copy_clip(tmp_path / "one.mp4", tmp_path / "two.mp4", 7 / FPS, 50 / FPS)
    assert numbers(tmp_path / "two.mp4") == list(range(27, 70))


def test_variable_rates_are_cut_by_time(tmp_path: Path) -> None:
    times = [number * 3 + number % 2 for number in range(60)]
    film = write_clip(tmp_path / "film.mp4", frames=60, fps=90, pts=times)
    copy_clip(film, tmp_path / "clip.mp4", times[11] / 90, times[41] / 90)
    assert numbers(tmp_path / "clip.mp4") == list(range(11, 41))


@pytest.mark.parametrize("way", [copy_clip, encode_clip])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_sound_is_copied_and_stays_in_step(way: Way, suffix: str, tmp_path: Path) -> None:
    """Packets of sound are the source's, and lie as far from the pictures as there."""
    film, out = write_sounding(tmp_path / f"film.{suffix}"), tmp_path / "clip.mp4"
    way(film, out, 37 / FPS, 90 / FPS)
    assert numbers(out) == list(range(37, 90))
    in_film, in_clip = _sound(film), _sound(out)
    shifts = [in_film[packet] - time for packet, time in in_clip.items()]
    assert len(shifts) >= (90 - 37) / FPS * 48_000 / 1024 - 1
    with av.open(str(out)) as clip:
        begins = float(next(clip.decode(video=0)).time or 0)
    assert shifts == pytest.approx([37 / FPS - begins] * len(shifts), abs=0.0015)


def _sound(path: Path) -> dict[bytes, float]:
    with av.open(str(path)) as container:
        return {
            bytes(packet): float(packet.pts * packet.time_base)
            for packet in container.demux(audio=0)
            if packet.size > 20 and packet.pts is not None
        }


def test_what_mp4_cannot_hold_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.avi", frames=24, codec="mpeg4", fps=Fraction(24))
    with pytest.raises(CantCopy, match="it has to be encoded"):
        copy_clip(film, tmp_path / "clip.mp4", 0.0, 0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["film.avi"]


def test_what_lies_behind_the_end_is_refused(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", frames=24)
    with pytest.raises(CantCopy, match="no picture"):
        copy_clip(film, tmp_path / "clip.mp4", 5.0, 6.0)


def test_what_exists_is_kept(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", frames=24)
    (tmp_path / "clip.mp4").write_bytes(b"mine")
    with pytest.raises(OutputExists):
        copy_clip(film, tmp_path / "clip.mp4", 0.0, 0.5)
    assert (tmp_path / "clip.mp4").read_bytes() == b"mine"
