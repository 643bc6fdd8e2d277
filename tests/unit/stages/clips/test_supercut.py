from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from stages.clips.supercut import Part, write_supercut
from stages.errors import OutputExists, OutputFailed
from tests.clips import read_number, write_clip
from tests.unit.stages.clips.sounding import CLICK, write_sounding

FPS = 24


def test_parts_follow_each_other_with_their_sound_in_step(tmp_path: Path) -> None:
    film = write_sounding(tmp_path / "film.mp4")
    silent = write_clip(tmp_path / "silent.mkv", frames=60)
    parts = [
        Part(film, 20 / FPS, 60 / FPS),
        Part(silent, 5 / FPS, 15 / FPS),
        Part(film, 90 / FPS, 120 / FPS),
    ]
    seconds = write_supercut(parts, tmp_path / "all.mp4")
    assert seconds == pytest.approx(80 / FPS, abs=0.01)
    with av.open(str(tmp_path / "all.mp4")) as container:
        frames = [
            (read_number(np.asarray(one.to_ndarray(format="bgr24"), np.uint8)), one.time)
            for one in container.decode(video=0)
        ]
    assert [number for number, _ in frames] == [*range(20, 60), *range(5, 15), *range(90, 120)]
    assert [time for _, time in frames] == pytest.approx([number / FPS for number in range(80)], abs=0.001)
    wanted = [place / FPS for place, (number, _) in enumerate(frames) if number % CLICK == 0 and not 40 <= place < 50]
    assert clicks(tmp_path / "all.mp4") == pytest.approx(wanted, abs=0.003)


def clicks(path: Path) -> list[float]:
    """When the sound becomes loud, in seconds."""
    with av.open(str(path)) as container:
        parts = [(float(one.pts * one.time_base), one.to_ndarray()[0]) for one in container.decode(audio=0)]  # type: ignore[operator]
    begin, samples = parts[0][0], np.concatenate([values for _, values in parts])
    loud = np.flatnonzero(np.abs(samples) > 0.3)
    starts = loud[np.r_[True, np.diff(loud) > 4800]]
    return [begin + at / 48_000 for at in starts]


def test_films_of_other_shapes_get_bars(tmp_path: Path) -> None:
    wide = write_clip(tmp_path / "wide.mp4", frames=12)
    upright = write_clip(
        tmp_path / "upright.mp4", frames=12, rotation_degrees=90, images=[np.full((320, 180, 3), 200, np.uint8)] * 12
    )
    write_supercut([Part(wide, 0, 0.25), Part(upright, 0, 0.25)], tmp_path / "all.mp4")
    with av.open(str(tmp_path / "all.mp4")) as container:
        images = [one.to_ndarray(format="bgr24") for one in container.decode(video=0)]
    assert {image.shape for image in images} == {(180, 320, 3)}
    last = images[-1]
    assert last[:, :100].max() < 10
    assert last[:, 120:200].min() > 180


def test_nothing_is_left_of_what_fails(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", frames=12)
    with pytest.raises(OutputFailed, match="no picture"):
        write_supercut([Part(film, 50, 60)], tmp_path / "all.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    (tmp_path / "all.mp4").write_bytes(b"mine")
    with pytest.raises(OutputExists):
        write_supercut([Part(film, 0, 1)], tmp_path / "all.mp4")
