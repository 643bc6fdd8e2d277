"""Where time begins: films whose pictures begin after their sound, before it, or before their first time stamp."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest

from stages.imaging.host.imaging import HostImaging
from stages.sink.audio import AudioCopy
from tests.unit.stages.decode.sources import run, source

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the command ffmpeg, which makes the films")

PERIOD_SECONDS = 6
FLASH_SECONDS = 3.0
BLACK = "color=black:s=320x180:r=25:d=6,drawbox=c=white:t=fill:enable='between(n,75,79)'"
SILENCE = "aevalsrc='if(between(t,3,3.2),sin(6283*t),0)':d=6"


def ffmpeg(*arguments: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", *map(str, arguments)], check=True, timeout=60)


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A white flash and a beep at 3 s."""
    path = tmp_path_factory.mktemp("flash") / "flash.mp4"
    lavfi = ("-f", "lavfi", "-i")
    ffmpeg(*lavfi, BLACK, *lavfi, SILENCE, "-c:v", "libx264", "-g", "50", "-c:a", "aac", path)
    return path


def seconds_of_flash(path: Path) -> float:
    """Time of the first white frame, as frames have it."""
    opened = source(path)
    opened.open()
    found = []
    for frame in opened.frames():
        if HostImaging(max_batch=1).to_bgr(frame.picture).mean() > 128:
            found.append(frame.pts_seconds)
        frame.release()
    opened.close()
    return found[0]


def seconds_of_beep(path: Path, folder: Path, start_seconds: float = 0.0) -> float:
    """Time of the first loud sample that AudioCopy copies, from the same origin."""
    copy = folder / "sound.mkv"
    with av.open(str(copy), "w") as output:
        audio = AudioCopy(str(path), output)
        output.start_encoding()
        audio.start(start_seconds)
        for packet in audio.until(float("inf")):
            output.mux(packet)
        audio.close()
    with av.open(str(copy)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()).max(axis=0) > 0.3)
            if len(loud):
                return float((frame.time or 0) + int(loud[0]) / frame.sample_rate + start_seconds)
    raise AssertionError("no beep")


@pytest.mark.parametrize("container", ["mkv", "mp4", "ts"])
def test_pictures_that_begin_after_the_sound_keep_their_time(flash: Path, tmp_path: Path, container: str) -> None:
    late = tmp_path / f"late.{container}"
    ffmpeg("-itsoffset", 2, "-i", flash, "-i", flash, "-map", "0:v", "-map", "1:a", "-c", "copy", late)
    _, found, frames_decoded = run(late)
    assert found[0][0] == 0
    assert found[0][2] == pytest.approx(2.0, abs=0.05)
    assert frames_decoded == 25 * PERIOD_SECONDS
    assert seconds_of_flash(late) == pytest.approx(FLASH_SECONDS + 2, abs=0.05)
    assert seconds_of_beep(late, tmp_path) == pytest.approx(FLASH_SECONDS, abs=0.05)
    assert run(late, start_seconds=4.0)[1][0][2] == pytest.approx(4.0, abs=0.05)


@pytest.mark.parametrize("container", ["mkv", "mp4", "ts"])
def test_sound_that_begins_after_the_pictures_keeps_its_time(flash: Path, tmp_path: Path, container: str) -> None:
    late = tmp_path / f"late.{container}"
    ffmpeg("-itsoffset", 2, "-i", flash, "-i", flash, "-map", "1:v", "-map", "0:a", "-c", "copy", late)
    assert run(late)[1][0][2] == 0
    assert seconds_of_flash(late) == pytest.approx(FLASH_SECONDS, abs=0.05)
    assert seconds_of_beep(late, tmp_path) == pytest.approx(FLASH_SECONDS + 2, abs=0.05)


@pytest.mark.parametrize("container", ["mkv", "mp4", "ts", "mov"])
@pytest.mark.parametrize("options", [(), ("-avoid_negative_ts", "disabled")])
def test_sound_is_in_step_after_a_lossless_cut(
    flash: Path, tmp_path: Path, container: str, options: tuple[str, ...]
) -> None:
    cut = tmp_path / f"cut.{container}"
    ffmpeg("-ss", 1.3, "-i", flash, "-c", "copy", *options, cut)
    late_seconds = seconds_of_beep(cut, tmp_path) - seconds_of_flash(cut)
    assert late_seconds == pytest.approx(0, abs=0.06)


def test_pictures_that_begin_with_the_sound_begin_at_0(flash: Path, tmp_path: Path) -> None:
    """Coders put some milliseconds of silence before the sound: no time of a film changes for that."""
    for container in ("mkv", "ts", "mp4"):
        again = tmp_path / f"again.{container}"
        ffmpeg("-i", flash, "-c", "copy", again)
        assert run(again)[1][0][2] == 0


def test_sound_goes_on_behind_a_joint_where_the_clock_begins_anew(flash: Path, tmp_path: Path) -> None:
    """Two recordings in one file: the second beep comes as long after the first as the second flash."""
    one, both, copy = tmp_path / "one.ts", tmp_path / "both.ts", tmp_path / "sound.mkv"
    ffmpeg("-i", flash, "-c", "copy", one)
    both.write_bytes(2 * one.read_bytes())
    with av.open(str(copy), "w") as output:
        audio = AudioCopy(str(both), output)
        output.start_encoding()
        audio.start(0.0)
        for packet in audio.until(float("inf")):
            output.mux(packet)
        audio.close()
    with av.open(str(copy)) as container:
        loud = [float(frame.time or 0) for frame in container.decode(audio=0) if np.abs(frame.to_ndarray()).max() > 0.3]
    assert loud[0] == pytest.approx(FLASH_SECONDS, abs=0.1)
    assert loud[-1] == pytest.approx(PERIOD_SECONDS + FLASH_SECONDS + 0.2, abs=0.15)
    assert not audio.has_gone_back
