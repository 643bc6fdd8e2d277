"""What is broken between two packets is found where it is, and nothing is found in what is whole.

The films are made by the command ffmpeg. A film whose times jump is whole as well: its rate changes.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from stages.decode.chains import FileBytes, chain_of
from stages.decode.chains.ogg import checksum

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the command ffmpeg, which makes the films")

PICTURES = "testsrc2=s=320x180:r=25:d=2,noise=alls=8:allf=t"
H264 = ("-c:v", "libx264", "-g", "12")
FILMS: dict[str, tuple[str, ...]] = {
    "film.mkv": (*H264, "-c:a", "libvorbis"),
    "live.mkv": (*H264, "-c:a", "libvorbis", "-live", "1"),
    "reserved.mkv": (*H264, "-c:a", "libvorbis", "-reserve_index_space", "200000"),
    "film.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-b:v", "1M", "-c:a", "libvorbis"),
    "film.ogv": ("-c:v", "libtheora", "-b:v", "1M", "-c:a", "libvorbis"),
    "film.flv": ("-c:v", "flv1", "-b:v", "1M", "-c:a", "aac"),
    "avc.flv": (*H264, "-c:a", "aac"),
    "film.wmv": ("-c:v", "wmv2", "-b:v", "1M", "-c:a", "wmav2"),
}
STEADY, VARYING = "", ",select='not(between(n,10,30))'"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("films")

    def film(name: str, rate: str = STEADY) -> Path:
        path = folder / f"{'varying' if rate else 'steady'}-{name}"
        if not path.exists():
            sources = ("-f", "lavfi", "-i", PICTURES + rate, "-f", "lavfi", "-i", "sine=440:duration=2")
            timing = ("-fps_mode", "vfr") if rate else ()
            command = ["ffmpeg", "-v", "error", *sources, *timing, *FILMS[name], str(path)]
            subprocess.run(command, check=True, timeout=60)
        return path

    return film


def breaks(path: Path) -> list[bool]:
    """Before each packet, and at the end."""
    file = FileBytes(str(path))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        chain = chain_of(set(container.format.name.split(",")), file, stream.id)
        assert chain is not None
        found: list[bool] = []
        with contextlib.suppress(IndexError):  # PyAV's way of saying that damage looks like another stream
            packets = (packet for packet in container.demux(stream) if packet.size and packet.pos is not None)
            found.extend(chain.breaks_before(packet.pos or 0, packet.size) for packet in packets)
        found.append(chain.breaks_at_end())
    file.close()
    return found


@pytest.mark.parametrize("rate", [STEADY, VARYING])
@pytest.mark.parametrize("name", FILMS)
def test_what_is_whole_holds(films: Callable[..., Path], name: str, rate: str) -> None:
    found = breaks(films(name, rate))
    assert len(found) > 20
    assert not any(found)


@pytest.mark.parametrize("place", [0.15, 0.5, 0.9])
@pytest.mark.parametrize("name", FILMS)
def test_bytes_that_were_cut_out_are_found_near_where_they_were(
    films: Callable[..., Path], tmp_path: Path, name: str, place: float
) -> None:
    data = films(name).read_bytes()
    at = int(len(data) * place)
    if name == "reserved.mkv":  # more than half of it is the space
        at = data.index(b"\x1f\x43\xb6\x75", 4096) + int(0.5 * (len(data) - data.index(b"\x1f\x43\xb6\x75", 4096)))
    path = tmp_path / name
    path.write_bytes(data[:at] + data[at + 4001 :])
    assert any(breaks(path))


def test_a_byte_between_two_packets_of_asf_puts_the_rest_out_of_step(
    films: Callable[..., Path], tmp_path: Path
) -> None:
    data = films("film.wmv").read_bytes()
    begins = data.index(bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")) + 50
    at = begins + 20 * 3200  # FFmpeg's packets
    path = tmp_path / "film.wmv"
    path.write_bytes(data[:at] + data[at + 1 :])
    assert any(breaks(path))


def test_of_a_file_that_was_taken_away_nothing_is_said(tmp_path: Path) -> None:
    file = FileBytes(str(tmp_path / "gone"))
    assert (file.read(0, 10), file.size) == (b"", 0)
    file.close()


def test_a_checksum_is_that_of_the_standard() -> None:
    """CRC-32 with the polynomial 0x04c11db7, not reflected, from 0 (RFC 3533, 6): bit by bit."""
    data = bytes(range(256)) * 3
    rest = 0
    for byte in data:
        rest ^= byte << 24
        for _ in range(8):
            rest = (rest << 1 ^ (0x04C11DB7 if rest & 0x80000000 else 0)) & 0xFFFFFFFF
    assert checksum(data) == rest
