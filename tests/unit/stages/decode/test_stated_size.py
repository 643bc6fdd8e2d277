"""What files say of their size: whole ones, streamed ones and ones that are cut short."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from stages.decode.stated_size import missing_bytes
from tests.clips import write_clip


class Pipe:
    """What can't go back: a muxer fills nothing in at the end."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)


@pytest.mark.parametrize("name", ["clip.avi", "clip.mkv", "clip.webm", "clip.flv", "clip.wmv"])
def test_a_whole_file_lacks_nothing_and_a_part_of_it_the_rest(tmp_path: Path, name: str) -> None:
    codec = {".webm": "libvpx", ".wmv": "wmv2"}.get(Path(name).suffix, "libx264")
    noise = np.random.default_rng(3).integers(0, 255, (10, 180, 320, 3), np.uint8)
    path = write_clip(tmp_path / name, codec=codec, images=noise)
    data = path.read_bytes()
    assert missing_bytes(str(path)) == 0
    for kept in (0.4, 0.8):
        part = tmp_path / "part"
        part.write_bytes(data[: int(len(data) * kept)])
        assert missing_bytes(str(part)) == pytest.approx(len(data) * (1 - kept), abs=2)
    path.write_bytes(data + b"something behind it")
    assert missing_bytes(str(path)) == 0


@pytest.mark.parametrize("container", ["avi", "matroska", "webm", "flv", "asf"])
def test_what_was_streamed_does_not_say(tmp_path: Path, container: str) -> None:
    whole = write_clip(tmp_path / "clip.mkv", codec="libvpx" if container == "webm" else "mpeg4")
    if container == "flv":
        whole = write_clip(tmp_path / "clip.mkv")
    pipe = Pipe()
    with av.open(str(whole)) as source, av.open(pipe, "w", format=container) as streamed:
        stream = streamed.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                streamed.mux(packet)
    path = tmp_path / "streamed"
    path.write_bytes(pipe.written[: len(pipe.written) // 2])
    assert missing_bytes(str(path)) == 0


def test_all_parts_of_a_large_avi_count(tmp_path: Path) -> None:
    parts = [b"RIFF" + struct.pack("<I", 20_000) + name + bytes(20_000 - 4) for name in (b"AVI ", b"AVIX", b"AVIX")]
    path = tmp_path / "large.avi"
    path.write_bytes(b"".join(parts))
    assert missing_bytes(str(path)) == 0
    path.write_bytes(b"".join(parts)[:-15_000])
    assert missing_bytes(str(path)) == 15_000


@pytest.mark.parametrize(
    "head", [b"", b"RIFF", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67", b"FLV\x01filesize", b"text"]
)
def test_nonsense_says_nothing(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "odd"
    path.write_bytes(head)
    assert missing_bytes(str(path)) == 0
    assert missing_bytes(str(tmp_path / "gone")) == 0
    assert missing_bytes("/dev/null") == 0
