"""When a face gets a name: the bounds of the rule, and what no similarity may bring about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.identify.rule import AGREEING, FEW_SAMPLES, KEPT, KEPT_SHARE, NamingRule

RULE = NamingRule(threshold=0.5, margin=0.05)

cosines = st.floats(-1, 1)
shares = st.floats(0, 1)
counts = st.integers(1, 1000)


@pytest.mark.parametrize(
    ("similarity", "runner_up", "samples", "share", "named"),
    [
        (0.5 + FEW_SAMPLES, 0.0, 1, 1.0, True),
        (0.5 + FEW_SAMPLES - 1e-6, 0.0, 1, 1.0, False),  # one sample has to be more alike
        (0.5 + FEW_SAMPLES / 2, 0.0, 2, 1.0, True),
        (0.6, 0.54, 10, 1.0, True),
        (0.6, 0.56, 10, 1.0, False),  # somebody else is nearly as alike
        (0.6, 0.0, 10, 0.5, False),  # half of the samples is not most of them
        (0.6, 0.0, 10, 0.51, True),
    ],
)
def test_the_bounds_of_a_name(similarity: float, runner_up: float, samples: int, share: float, named: bool) -> None:
    assert RULE.names(similarity, runner_up, samples=samples, share=share) is named


@given(cosines, cosines, counts, shares)
def test_a_name_that_is_given_is_kept_at_once(similarity: float, runner_up: float, samples: int, share: float) -> None:
    """Otherwise names would flicker."""
    if RULE.names(similarity, runner_up, samples=samples, share=share):
        assert RULE.keeps(similarity, share)
        assert RULE.agrees(similarity)


@given(cosines, cosines, counts, shares, st.floats(0, 1), counts)
def test_more_evidence_never_takes_a_name_away(
    similarity: float, runner_up: float, samples: int, share: float, more: float, more_samples: int
) -> None:
    if RULE.names(similarity, runner_up, samples=samples, share=share):
        assert RULE.names(similarity + more, runner_up, samples=samples, share=share)
        assert RULE.names(similarity, runner_up - more, samples=samples, share=share)
        assert RULE.names(similarity, runner_up, samples=samples + more_samples, share=share)


def test_what_agrees_and_what_keeps_is_below_the_threshold_by_so_much() -> None:
    assert RULE.agrees(0.5 - AGREEING)
    assert not RULE.agrees(0.5 - AGREEING - 1e-6)
    assert RULE.keeps(0.5 - KEPT, KEPT_SHARE + 1e-6)
    assert not RULE.keeps(0.5 - KEPT, KEPT_SHARE)
    assert not RULE.keeps(0.5 - KEPT - 1e-6, 1.0)
