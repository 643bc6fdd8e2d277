"""Rates and time bases are the same, whichever PyAV gives them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from stages.decode.demux import Demuxer
from stages.decode.pyav import as_fraction
from tests.clips import write_clip


@dataclass(frozen=True)
class NoFraction:
    """A ratio that FFmpeg allows and `Fraction` does not, as PyAV 19 gives it."""

    numerator: int
    denominator: int


@pytest.mark.parametrize(
    "ratio", [None, Fraction(0), NoFraction(0, 1), NoFraction(0, 0), NoFraction(1, 0), NoFraction(-1, 0)]
)
def test_what_ffmpeg_does_not_know_is_none(ratio: NoFraction | Fraction | None) -> None:
    assert as_fraction(ratio) is None


def test_a_known_ratio_is_exact() -> None:
    assert as_fraction(NoFraction(30_000, 1001)) == Fraction(30_000, 1001)


def test_a_clip_has_a_rate_and_a_time_base(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "film.mp4", frames=3, fps=Fraction(30_000, 1001))
    demuxer = Demuxer(str(path))
    assert isinstance(demuxer.time_base, Fraction)
    assert demuxer.fps == pytest.approx(29.97, abs=0.001)
    demuxer.close()
