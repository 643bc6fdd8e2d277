"""Which decoder runs, and that the source says so."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from av.codec.hwaccel import HWAccel

from tests.clips import write_clip
from tests.unit.stages.decode.sources import run


def has_card() -> bool:
    try:
        av.VideoCodecContext.create("av1", "r", hwaccel=HWAccel("cuda", allow_software_fallback=False))
    except (av.error.FFmpegError, NotImplementedError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize(("codec", "decoder"), [("libx264", "h264"), ("libsvtav1", "libdav1d"), ("libvpx-vp9", "vp9")])
def test_the_source_names_its_decoder(tmp_path: Path, codec: str, decoder: str) -> None:
    path = write_clip(tmp_path / "clip.mkv", frames=6, codec=codec)
    assert run(path)[0].decoder == decoder


@pytest.mark.skipif(has_card(), reason="a card decodes here")
def test_without_the_card_that_was_asked_for_the_cpu_decodes_av1(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", frames=6, codec="libsvtav1")
    info, found, _ = run(path, hwaccel=HWAccel("cuda", allow_software_fallback=True))
    assert info.decoder == "libdav1d"
    assert [number for _, number, _ in found] == list(range(6))
