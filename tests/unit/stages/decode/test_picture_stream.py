"""Which stream of several is the film: one test a row of the table in docs/inputs/films.md."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from stages.decode.demux import Demuxer
from stages.errors import NotAVideo
from tests.clips import Image, write_clip
from tests.clips import picture as numbered

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the command ffmpeg, which muxes the films")

FILM = (320, 180)
DEFAULT = ("-disposition:v:0", "default", "-disposition:v:1", "default")


def mux(path: Path, *inputs: Path, options: tuple[str, ...] = DEFAULT) -> Path:
    """All inputs' streams in one file, in their order, without coding them anew."""
    given = [word for source in inputs for word in ("-i", str(source))]
    maps = [word for number in range(len(inputs)) for word in ("-map", str(number))]
    subprocess.run(["ffmpeg", "-v", "error", *given, *maps, "-c", "copy", *options, str(path)], check=True, timeout=30)
    return path


def picture(path: Path, color: str = "blue", size: str = "1200x1200") -> Path:
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"color={color}:s={size}", "-frames:v", "1", str(path)],
        check=True,
        timeout=30,
    )
    return path


def chosen(path: Path) -> tuple[int, tuple[int, int]]:
    """Index among the video streams and size."""
    demuxer = Demuxer(str(path))
    try:
        place = list(demuxer.container.streams.video).index(demuxer.stream)
        return place, (demuxer.codec_context.width, demuxer.codec_context.height)
    finally:
        demuxer.close()


@pytest.mark.parametrize("container", ["mkv", "mp4"])
@pytest.mark.parametrize("cover", ["jpg", "png"])
@pytest.mark.parametrize("cover_first", [False, True])
def test_a_cover_as_an_ordinary_track_is_not_the_film(
    tmp_path: Path, container: str, cover: str, cover_first: bool
) -> None:
    film = write_clip(tmp_path / f"film.{container}", frames=24)
    inputs = [film, picture(tmp_path / f"cover.{cover}")]
    if cover_first:
        inputs.reverse()
    both = mux(tmp_path / f"both.{container}", *inputs)
    assert chosen(both) == (int(cover_first), FILM)
    only_cover_is_default = ("-disposition:v:0", "0", "-disposition:v:1", "default")
    if not cover_first:
        again = mux(tmp_path / f"again.{container}", *inputs, options=only_cover_is_default)
        assert chosen(again) == (0, FILM)


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_an_attached_picture_is_not_the_film(tmp_path: Path, container: str) -> None:
    film = write_clip(tmp_path / f"film.{container}", frames=24)
    cover = picture(tmp_path / "cover.jpg")
    attached = ("-disposition:v:0", "0", "-disposition:v:1", "attached_pic")
    assert chosen(mux(tmp_path / f"both.{container}", film, cover, options=attached)) == (0, FILM)


def test_a_cover_alone_is_no_film(tmp_path: Path) -> None:
    cover = picture(tmp_path / "cover.jpg")
    path = mux(tmp_path / "cover.mp4", cover, options=("-disposition:v:0", "attached_pic"))
    with pytest.raises(NotAVideo, match="no video stream"):
        Demuxer(str(path))


def test_of_two_films_the_default_one_then_the_larger_then_the_first(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "small.mkv", frames=24)
    large = write_clip(tmp_path / "large.mkv", frames=24, images=_large())
    first_is_default = ("-disposition:v:0", "default", "-disposition:v:1", "0")
    assert chosen(mux(tmp_path / "a.mkv", small, large, options=first_is_default)) == (0, FILM)
    assert chosen(mux(tmp_path / "b.mkv", small, large)) == (1, (640, 360))
    assert chosen(mux(tmp_path / "c.mkv", small, small)) == (0, FILM)


def test_a_film_of_photographs_beside_a_smaller_one_moves_as_well(tmp_path: Path) -> None:
    """Motion JPEG with a preview in H.264, as some cameras record."""
    preview = write_clip(tmp_path / "preview.mkv", frames=24)
    film = write_clip(tmp_path / "film.mkv", codec="mjpeg", pix_fmt="yuvj420p", color_range=2, images=_large())
    assert chosen(mux(tmp_path / "both.mkv", preview, film)) == (1, (640, 360))


def _large() -> list[Image]:
    return [numbered(number, 640, 360) for number in range(24)]
