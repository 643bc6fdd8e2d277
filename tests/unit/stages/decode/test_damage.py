"""Files that are damaged, cut short or no video: what there is comes, and the error says what is wrong."""

from __future__ import annotations

import os
import stat
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stages.decode.pyav import reads_format
from stages.errors import NotAVideo, SourceBroken, SourceError, SourceNotFound, SourceUnreadable
from tests.clips import write_clip
from tests.unit.stages.decode.sources import needs_field_order, run, see_all, source, take_all


def test_what_is_no_video_is_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")  # opening it would wait for ever
    os.mknod(tmp_path / "socket.mp4", stat.S_IFSOCK | 0o600)
    (tmp_path / "device.mp4").symlink_to("/dev/zero")
    (tmp_path / "text.mp4").write_text("This is not a video.\n" * 100)
    whole = write_clip(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "no-index.mp4").write_bytes(whole[: len(whole) // 2])
    cases: list[tuple[str, type[SourceError], str]] = [
        ("missing.mp4", SourceNotFound, "does not exist"),
        ("missing/movie.mp4", SourceNotFound, "does not exist"),
        (".", NotAVideo, "is a directory"),
        ("empty.mp4", NotAVideo, "is empty"),
        ("pipe.mp4", NotAVideo, "is a pipe"),
        ("text.mp4", NotAVideo, "is not a video"),
        ("socket.mp4", NotAVideo, "is a socket"),
        ("device.mp4", NotAVideo, "is a device"),
        ("no-index.mp4", NotAVideo, "its end is missing"),
    ]
    for name, error, reason in cases:
        opened = source(tmp_path / name)
        with pytest.raises(error, match=reason) as caught:
            opened.open()
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)
        opened.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "secret.mp4", frames=2)
    path.chmod(0)
    with pytest.raises(SourceUnreadable, match="no permission"):
        source(path).open()


@pytest.mark.parametrize("decoder_threads", [1, 3])
@pytest.mark.parametrize(
    ("container", "kept", "codec"),
    [
        ("mp4", 0.6, "libx264"),
        ("mkv", 0.5, "libx264"),
        ("flv", 0.5, "libx264"),
        ("avi", 0.5, "mpeg4"),
        ("wmv", 0.5, "wmv2"),
        ("webm", 0.5, "libvpx"),
    ],
)
def test_a_file_cut_short_delivers_what_there_is_and_says_where_it_broke(
    tmp_path: Path, container: str, kept: float, codec: str, decoder_threads: int
) -> None:
    path = write_clip(
        tmp_path / f"whole.{container}", frames=100, codec=codec, container_options={"movflags": "faststart"}
    )
    assert len(run(path, decoder_threads=decoder_threads)[1]) == 100
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    opened = source(path, decoder_threads=decoder_threads)
    opened.open()
    indices: list[int] = []
    with pytest.raises(SourceBroken, match=r"breaks off at frame \d+") as caught:
        take_all(opened, indices)
    opened.close()
    assert indices == list(range(len(indices)))
    assert 10 < len(indices) < 100
    assert caught.value.frame_index == len(indices)
    assert caught.value.pts_seconds == pytest.approx((len(indices) - 1) / 24, abs=0.01)


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libx264"])
def test_a_last_picture_that_stands_for_a_while_is_no_missing_end(tmp_path: Path, codec: str) -> None:
    """Slides of 20 s each: the third begins at 40 s, and the file states 60 s."""
    path = write_clip(tmp_path / "slides.mkv", frames=3, fps=Fraction(1, 20), codec=codec)
    assert [(number, seconds) for _, number, seconds in run(path)[1]] == [(0, 0), (1, 20), (2, 40)]


@needs_field_order
@pytest.mark.parametrize("frameskip", [1, 4])
def test_damage_in_the_middle_is_lived_through_and_later_frames_keep_their_numbers(
    tmp_path: Path, frameskip: int
) -> None:
    path = write_clip(
        tmp_path / "clip.mp4", frames=100, options={"g": "10"}, container_options={"movflags": "faststart"}
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(8).bytes(600)
    path.write_bytes(data)
    opened = source(path, frameskip=frameskip)
    opened.open()
    found: list[tuple[int, int, float]] = []
    with pytest.raises(SourceBroken, match=r"\d+ pictures are missing or corrupt") as caught:
        see_all(opened, found)
    opened.close()
    assert 80 < opened.frames_decoded < 100
    assert 30 < caught.value.frame_index < 70
    wrong = [index for index, number, _ in found if index != number]
    assert len(wrong) < 20
    assert all(30 < index < 70 for index in wrong)
    assert found[-1][0] == 99 // frameskip * frameskip


def test_a_recording_out_of_step_goes_on_behind_the_gap(tmp_path: Path) -> None:
    """FFmpeg says "again" for each 64 KiB in which an MPEG-TS has no packet: that is no end."""
    path = write_clip(tmp_path / "clip.ts", frames=100, options={"g": "10"})
    data = path.read_bytes()
    middle = len(data) // 2 // 188 * 188
    path.write_bytes(data[:middle] + bytes(300_000) + data[middle:])
    _, found, _ = run(path)
    numbers = [number for _, number, _ in found]
    assert numbers[-1] == 99
    assert len(numbers) > 80


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_title_that_is_not_utf_8_is_no_reason_to_refuse_a_film(tmp_path: Path, container: str) -> None:
    path = write_clip(tmp_path / f"clip.{container}", frames=3, metadata={"title": "Ma_on"})
    path.write_bytes(path.read_bytes().replace(b"Ma_on", "Maçon".encode("latin-1") + b"_"[:0]))
    assert len(run(path)[1]) == 3


def test_passwords_are_nowhere(tmp_path: Path) -> None:
    for address in ("http://ada:s3cret@127.0.0.1:1/movie.mp4", "http://127.0.0.1:1/movie.mp4?password=s3cret"):
        with pytest.raises(SourceUnreadable) as caught:
            source(address).open()
        cause = caught.value.__cause__
        assert "127.0.0.1" in str(caught.value)
        assert "s3cret" not in f"{caught.value} {cause} {cause!r}"


@pytest.mark.skipif(reads_format("dash"), reason="this FFmpeg reads DASH")
def test_a_dash_manifest_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "live.mpd"
    path.write_text('<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"/>')
    with pytest.raises(SourceUnreadable, match="is a DASH manifest, and this FFmpeg reads none"):
        source(path).open()
