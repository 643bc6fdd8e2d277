"""Rates and timecode, compared with OpenTimelineIO's."""

from __future__ import annotations

from fractions import Fraction

import pytest

from visage.export.clock import FrameClock, exact_rate

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(60000, 1001)]


@pytest.mark.parametrize("rate", RATES)
def test_thousandths_stand_for_the_exact_rate(rate: Fraction) -> None:
    assert exact_rate(round(float(rate), 3)) == rate


@pytest.mark.parametrize("rate", RATES)
def test_timecode_is_opentimelineios(rate: Fraction) -> None:
    opentime = pytest.importorskip("opentimelineio.opentime", reason="the extra `export` is not installed")
    clock = FrameClock(rate)
    for frame in [*range(0, 4000), *range(17_900, 18_100), *range(107_000, 108_500)]:
        moment = opentime.RationalTime(frame, float(rate))
        assert clock.timecode(frame) == opentime.to_timecode(moment, float(rate), clock.is_drop_frame)


@pytest.mark.parametrize("rate", RATES)
def test_milliseconds_lead_back_to_the_frame(rate: Fraction) -> None:
    clock = FrameClock(rate)
    assert all(clock.frame(round(clock.seconds(frame), 3)) == frame for frame in range(200_000, 203_000))
