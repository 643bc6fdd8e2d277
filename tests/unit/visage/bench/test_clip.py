"""The benchmark's clips: their content, their copies, and how they appear."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.errors import NotAVideo, OutputFailed
from tests.clips import read_number, write_clip
from visage.bench.clip import CAST, PORTRAITS, Clip, ClipRecipe, excerpt, make_clip

SMALL = ClipRecipe(width=320, height=180, frames=6, fps=2, bit_rate=400_000)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder with a plain picture for every portrait, each of another grey."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number, (name, _) in enumerate(PORTRAITS):
        cv2.imwrite(str(folder / name), np.full((60, 50, 3), 40 * number, np.uint8))
    return folder


def pictures(path: Path) -> NDArray[np.uint8]:
    """uint8 (frames, height, width, 3), BGR."""
    with av.open(path) as container:
        return np.stack([np.asarray(f.to_ndarray(format="bgr24"), np.uint8) for f in container.decode(video=0)])


def numbers(path: Path) -> list[int]:
    return [read_number(image) for image in pictures(path)]


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "numbered.mp4", frames=12)


def test_a_made_clip_is_what_the_recipe_says(tmp_path: Path, photographs: Path) -> None:
    path = tmp_path / "bench" / SMALL.file_name
    make_clip(path, SMALL, photographs.joinpath)
    clip = Clip.of(path)
    assert (clip.width, clip.height, clip.frames, clip.fps, clip.codec) == (320, 180, 6, 2, "h264")
    assert clip.size_bytes == path.stat().st_size


def test_the_same_recipe_gives_the_same_pictures(tmp_path: Path, photographs: Path) -> None:
    """But for what x264 decides: some of its B frames differ from run to run, also on one thread."""
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    for path in (first, second):
        make_clip(path, SMALL, photographs.joinpath)
    difference = pictures(first).astype(int) - pictures(second)
    assert abs(difference).mean() < 1
    assert abs(pictures(first)[0].astype(int) - pictures(first)[-1]).mean() > 5  # other frames do differ


def test_the_cast_shows_two_to_five_faces() -> None:
    assert min(CAST) == 2
    assert max(CAST) == len(PORTRAITS) == 5


def test_a_clip_that_cant_be_made_leaves_nothing_behind(tmp_path: Path, photographs: Path) -> None:
    (photographs / PORTRAITS[0][0]).write_bytes(b"not a picture")
    with pytest.raises(OutputFailed, match=r"obama\.jpg is not a picture"):
        make_clip(tmp_path / "clip.mp4", SMALL, photographs.joinpath)
    assert [path.name for path in tmp_path.iterdir()] == ["photographs"]


def test_an_excerpt_has_the_first_pictures(tmp_path: Path, numbered: Path) -> None:
    excerpt(numbered, tmp_path / "part.mkv", frames=5)
    assert numbers(tmp_path / "part.mkv") == [0, 1, 2, 3, 4]


def test_a_looped_clip_repeats_its_pictures_at_growing_times(tmp_path: Path, numbered: Path) -> None:
    looped = tmp_path / "looped.mkv"
    excerpt(numbered, looped, frames=12, times=3)
    assert numbers(looped) == [*range(12)] * 3
    with av.open(looped) as container:
        times = [frame.pts or 0 for frame in container.decode(video=0)]
    assert times == sorted(set(times))
    assert Clip.of(looped).frames == 36


def test_an_excerpt_can_be_looped_though_matroska_does_not_say_when_to_decode(tmp_path: Path, numbered: Path) -> None:
    excerpt(numbered, tmp_path / "part.mkv", frames=12)
    excerpt(tmp_path / "part.mkv", tmp_path / "looped.mkv", frames=12, times=2)
    assert numbers(tmp_path / "looped.mkv") == [*range(12)] * 2


def test_a_text_file_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("not a video at all")
    with pytest.raises(NotAVideo):
        Clip.of(tmp_path / "clip.mp4")
