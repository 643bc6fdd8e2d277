"""Waits between attempts grow within their bounds, and the states of sources and pipelines only as the table says."""

from __future__ import annotations

from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visage.runtime.state import LEGAL, IllegalTransition, PipelineState, SourceState, State
from visage.service.backoff import Backoff

STATES: list[Enum] = [*SourceState, *PipelineState]


@given(st.floats(0.001, 10), st.floats(1, 100), st.integers(0, 2**16), st.lists(st.booleans(), max_size=60))
def test_waits_double_up_to_the_longest_and_begin_again_after_a_success(
    first: float, factor: float, seed: int, outcomes: list[bool]
) -> None:
    backoff = Backoff(first, first * factor, seed=seed)
    failures = 0
    for is_success in outcomes:
        if is_success:
            backoff.reset()
            failures = 0
        else:
            longest = min(first * factor, first * 2**failures)
            assert longest / 2 <= backoff.next_seconds() <= longest
            failures += 1
        assert backoff.failures == failures


@given(st.sampled_from(STATES), st.lists(st.sampled_from(STATES), max_size=8), st.data())
def test_a_state_follows_the_table_and_nothing_follows_the_end(
    first: Enum, wishes: list[Enum], data: st.DataObject
) -> None:
    state, current = State(first), first
    for wish in wishes:
        if data.draw(st.booleans(), label="unconditional"):
            if wish in LEGAL[current]:
                state.advance(wish)
                current = wish
            else:
                with pytest.raises(IllegalTransition, match=f"{wish.name} can't follow {current.name}"):
                    state.advance(wish)
        else:
            allowed = data.draw(st.sets(st.sampled_from(STATES), max_size=4), label="allowed")
            if current not in allowed:
                assert not state.advance_from(wish, *allowed)
            elif wish in LEGAL[current]:
                assert state.advance_from(wish, *allowed)
                current = wish
            else:
                with pytest.raises(IllegalTransition):
                    state.advance_from(wish, *allowed)
        assert state.current is current
        assert repr(state) == current.name


@given(st.sampled_from(list(SourceState)))
def test_every_source_can_be_failed_or_interrupted_until_it_has_ended(state: SourceState) -> None:
    """Whatever a source does, a stop and a failure find it a way out."""
    assert state.is_final == (not LEGAL[state])
    if not state.is_final:
        assert {SourceState.FAILED, SourceState.INTERRUPTED} <= LEGAL[state]


def test_the_table_speaks_of_every_state() -> None:
    assert set(LEGAL) == set(STATES)
    assert all(PipelineState.STOPPED in LEGAL[state] for state in (PipelineState.NEW, *PipelineState.active()))
