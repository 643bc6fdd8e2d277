from __future__ import annotations

import pytest

from visage.bench.card.overlap import PROBES, balanced_repeats


@pytest.mark.parametrize(("seconds_each", "seconds_else", "decode_fps"), [(6e-5, 2e-4, 626.0), (1e-5, 5e-5, 900.0)])
def test_a_heavy_detector_takes_as_long_as_its_decoder(
    seconds_each: float, seconds_else: float, decode_fps: float
) -> None:
    def fps(repeats: int) -> float:
        return 1 / (seconds_else + repeats * seconds_each)

    repeats = balanced_repeats(decode_fps, *map(fps, PROBES))
    assert fps(repeats) == pytest.approx(decode_fps, rel=0.02)


def test_a_detector_that_is_slower_than_the_decoder_runs_once() -> None:
    assert balanced_repeats(600.0, few_fps=10.0, many_fps=5.0) == 1
