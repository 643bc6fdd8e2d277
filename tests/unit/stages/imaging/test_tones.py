"""Films in high dynamic range and in BT.2020's colours look like their twins of BT.709, wherever pixels are read."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from stages.buffers import HostStream
from stages.imaging.colour import Encoding
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.imaging import HostImaging
from stages.imaging.letterbox import DetectorInput
from stages.imaging.orientation import Orientation
from stages.imaging.tones import TOP, Tones, Transfer
from tests.clips import picture
from tests.films import TRANSFERS, encoded, write_film

PQ, HLG, WIDE = (Tones(transfer, is_wide=True) for transfer in (Transfer.PQ, Transfer.HLG, Transfer.GAMMA))
MAPPED = {"smpte2084": PQ, "arib-std-b67": HLG, "bt2020-10": WIDE}


def shown(tones: Tones, rgb: tuple[float, float, float]) -> list[int]:
    """RGB that a picture of one colour, numbers 0 to 1, becomes."""
    numbers = np.rint(np.array([[rgb[::-1]]]) * TOP).astype(np.uint16)
    out = np.empty((1, 1, 3), np.uint8)
    tones.map(numbers, out)
    return [int(value) for value in out[0, 0, ::-1]]


def test_known_lights_are_shown_as_bt1886_shows_them() -> None:
    # BT.2100: PQ's 0.508 is 100 nits; BT.2408: HLG's 0.75 and PQ's 0.58 are white, 203 nits.
    gray = round(255 * (100 / 203) ** (1 / 2.4))
    assert shown(PQ, (0.508, 0.508, 0.508)) == pytest.approx([gray] * 3, abs=1)
    assert shown(PQ, (0.58, 0.58, 0.58)) == pytest.approx(shown(HLG, (0.75, 0.75, 0.75)), abs=2)
    assert min(shown(PQ, (0.58, 0.58, 0.58))) >= 235
    assert shown(PQ, (0, 0, 0)) == shown(HLG, (0, 0, 0)) == shown(WIDE, (0, 0, 0)) == [0, 0, 0]
    assert shown(PQ, (1, 1, 1)) == [255, 255, 255]


def test_brighter_is_never_darker() -> None:
    for tones in (PQ, HLG, WIDE):
        grays = [shown(tones, (value, value, value))[1] for value in np.linspace(0, 1, 200)]
        assert grays == sorted(grays)


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_colours_of_bt709_come_back(transfer: str) -> None:
    colours = np.array([[[40, 60, 150], [90, 110, 140], [20, 20, 20], [120, 40, 40]]], np.uint8)
    out = np.empty_like(colours)
    MAPPED[transfer].map(np.asarray(encoded(colours, transfer)[..., ::-1] >> 6, np.uint16), out)
    assert np.abs(out.astype(int) - colours).max() <= 2


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_all_who_read_pixels_see_the_twin(transfer: str, tmp_path: Path) -> None:
    image = (0.6 * picture(5)).astype(np.uint8)  # below the knee
    with av.open(str(write_film(tmp_path / "film.mkv", [image], transfer))) as container:
        frame = next(container.decode(video=0))
        assert Encoding.of(frame).tones == MAPPED[transfer]
        seen = HostAdmission(DetectorInput(longest=320), capacity=1).admit(frame, Orientation())
        assert seen is not None
        imaging = HostImaging(max_batch=1)
        flat = np.s_[100:140, 100:200]  # gray, away from every edge
        expected = image[flat]
        crop = imaging.crop([seen], [np.array([[[1, 0, 100], [0, 1, 100]]], np.float32)], 40, stream=HostStream())
        for what in (imaging.to_bgr(seen)[flat], crop[0], seen.detector_input[flat]):
            assert np.abs(what.reshape(-1, 3).mean(0) - expected.reshape(-1, 3).mean(0)).max() <= 2
        red = imaging.to_bgr(seen)[60:140, 10:30].reshape(-1, 3).mean(0)
        assert np.abs(red - image[100, 20]).max() <= 6
        seen.release()


def test_untagged_primaries_of_hdr_are_bt2020_and_other_film_stays_as_it_is() -> None:
    frame = av.VideoFrame(16, 16, "yuv420p10le")
    assert Tones.of(frame).is_plain
    frame.color_trc = 16
    assert Tones.of(frame) == PQ
    frame.color_primaries = 1
    assert Tones.of(frame) == Tones(Transfer.PQ, is_wide=False)
