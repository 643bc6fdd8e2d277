from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stages.redact.lines import corners


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=60),
    st.integers(0, 2**32 - 1),
    st.floats(0.1, 5),
)
def test_lines_between_the_corners_stay_within_the_tolerance(steps: list[int], seed: int, tolerance: float) -> None:
    frames = list(np.cumsum(steps))
    values = np.random.default_rng(seed).normal(0, 3, (len(frames), 4)).cumsum(axis=0)
    kept = corners(frames, values, np.full(len(frames), tolerance))
    assert kept[0] == 0
    assert kept[-1] == len(frames) - 1
    assert kept == sorted(set(kept))
    for side in range(4):
        line = np.interp(frames, np.array(frames)[kept], values[kept, side])
        assert np.abs(line - values[:, side]).max() <= tolerance + 1e-9


@given(arrays(np.float64, (1, 2), elements=st.floats(-10, 10)))
def test_one_point_is_one_corner(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    assert corners([7], values, np.zeros(1)) == [0]


def test_a_line_has_two_corners() -> None:
    frames = list(range(60))
    assert corners(frames, np.arange(60.0)[:, None], np.full(60, 0.1)) == [0, 59]
