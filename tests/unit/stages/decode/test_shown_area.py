"""Where a file states which part of its pictures is shown, that part is the picture."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from stages.decode.shown_area import ShownArea, shown_area
from stages.imaging.host.imaging import HostImaging
from tests.clips import write_clip
from tests.unit.stages.decode.sources import source

WIDTH, HEIGHT = 320, 180
AREA = ShownArea(left=60, top=30, width=240, height=120)


def with_clap(path: Path, area: ShownArea = AREA, *, denominator: int = 1) -> Path:
    """The same MP4 with a clean aperture in its description of the pictures."""
    data = bytearray(path.read_bytes())
    entry = data.index(b"avc1", data.index(b"stsd")) - 4
    (length,) = struct.unpack_from(">I", data, entry)
    across = area.left - (WIDTH - area.width) // 2
    down = area.top - (HEIGHT - area.height) // 2
    values = area.width, 1, area.height, 1, across, 1, down, denominator
    box = struct.pack(">I4sIIIIiIiI", 40, b"clap", *values)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        at = data.index(name) - 4
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + len(box))
    struct.pack_into(">I", data, entry, length + len(box))
    data[entry + length : entry + length] = box
    path.write_bytes(bytes(data))
    return path


def remuxed(path: Path, target: Path) -> Path:
    """FFmpeg writes Matroska's cropping for what it reads as a clean aperture."""
    with av.open(str(path)) as read, av.open(str(target), "w") as written:
        stream = read.streams.video[0]
        copy = written.add_stream_from_template(stream)
        for packet in read.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                written.mux(packet)
    return target


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    # Without moving the index to the front, boxes can grow: nothing in the file points behind them.
    return write_clip(tmp_path / "clip.mp4", frames=4, options={"crf": "4"})


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pictures_are_the_shown_area(suffix: str, clip: Path) -> None:
    whole = source(clip)
    whole.open()
    frame = next(iter(whole.frames()))
    expected = HostImaging(max_batch=1).to_bgr(frame.picture)[30:150, 60:300]
    frame.release()
    whole.close()
    path = with_clap(clip)
    if suffix == ".mkv":
        path = remuxed(path, clip.with_suffix(suffix))
    opened = source(path)
    info = opened.open()
    assert (info.width, info.height) == (AREA.width, AREA.height)
    for frame in opened.frames():
        assert (frame.picture.width, frame.picture.height) == (AREA.width, AREA.height)
        shown = HostImaging(max_batch=1).to_bgr(frame.picture)
        frame.release()
    opened.close()
    assert np.abs(shown.astype(int) - expected).mean() < 3


def test_a_turned_picture_is_cut_before_it_is_turned(tmp_path: Path) -> None:
    path = with_clap(write_clip(tmp_path / "clip.mp4", frames=2, images=[upright()] * 2, rotation_degrees=90))
    opened = source(path)
    info = opened.open()
    opened.close()
    assert (info.width, info.height) == (AREA.height, AREA.width)


def upright() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((WIDTH, HEIGHT, 3), 90, np.uint8)


@pytest.mark.parametrize(
    "area",
    [
        ShownArea(0, 0, WIDTH, HEIGHT),
        ShownArea(-40, 0, WIDTH, HEIGHT),
        ShownArea(0, 0, 4000, HEIGHT),
        ShownArea(150, 80, 2, 2),
    ],
)
def test_statements_without_sense_count_as_none(area: ShownArea, clip: Path) -> None:
    path = with_clap(clip, area)
    with av.open(str(path)) as container:
        track = container.streams.video[0].id
    assert shown_area(str(path), "mov,mp4", track=track, place=0, size=(WIDTH, HEIGHT)) is None


def test_a_fraction_over_nothing_counts_as_none(clip: Path) -> None:
    path = with_clap(clip, denominator=0)
    assert shown_area(str(path), "mov,mp4", track=1, place=0, size=(WIDTH, HEIGHT)) is None


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_whatever_is_cut_off_ends_without_an_error(suffix: str, clip: Path) -> None:
    data = remuxed(with_clap(clip), clip.with_suffix(".mkv")).read_bytes() if suffix == ".mkv" else clip.read_bytes()
    format_name = "matroska,webm" if suffix == ".mkv" else "mov,mp4"
    part = clip.with_name("part")
    for length in range(0, len(data), max(1, len(data) // 200)):
        part.write_bytes(data[:length])
        shown_area(str(part), format_name, track=1, place=0, size=(WIDTH, HEIGHT))
