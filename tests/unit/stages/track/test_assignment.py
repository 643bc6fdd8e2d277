from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from stages.track.assignment import FORBIDDEN, assign

matrices = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(0, 10))
)


@given(matrices)
def test_no_assignment_is_cheaper(costs: NDArray[np.float64]) -> None:
    """Compared with every other one."""
    pairs = assign(costs)
    assert len(pairs) == min(costs.shape)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    found = sum(costs[row, column] for row, column in pairs)
    wide = costs if costs.shape[0] <= costs.shape[1] else costs.T
    cheapest = min(
        sum(wide[row, column] for row, column in enumerate(columns))
        for columns in permutations(range(wide.shape[1]), wide.shape[0])
    )
    np.testing.assert_allclose(found, cheapest, atol=1e-9)


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0.5, 1.0, 2.5, FORBIDDEN, FORBIDDEN]))
    )
)
def test_most_pairs_are_made_and_none_cheaper_where_pairs_are_forbidden(costs: NDArray[np.float64]) -> None:
    """A settled pair must not take a place that a larger or cheaper assignment needs."""
    pairs = assign(costs)
    assert pairs == sorted(pairs)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    wide = costs if costs.shape[0] <= costs.shape[1] else costs.T
    totals = (
        [wide[row, column] for row, column in enumerate(columns) if wide[row, column] < FORBIDDEN]
        for columns in permutations(range(wide.shape[1]), wide.shape[0])
    )
    most, cheapest = min((-len(paid), sum(paid)) for paid in totals)
    assert len(pairs) == -most
    np.testing.assert_allclose(sum(costs[pair] for pair in pairs), cheapest)


def test_forbidden_pairs_stay_apart() -> None:
    costs = np.array([[1.0, FORBIDDEN], [FORBIDDEN, FORBIDDEN]])
    assert assign(costs) == [(0, 0)]


def test_nothing_is_assigned_to_nobody() -> None:
    assert assign(np.empty((0, 3))) == assign(np.empty((3, 0))) == []
