from __future__ import annotations

import pytest

from visage.runtime.state import IllegalTransition, SourceState, State


def test_only_legal_steps_are_taken() -> None:
    state = State(SourceState.PENDING)
    state.advance(SourceState.OPENING)
    with pytest.raises(IllegalTransition, match="DONE can't follow OPENING"):
        state.advance(SourceState.DONE)
    assert repr(state) == "OPENING"


def test_a_conditional_step_says_whether_it_was_taken() -> None:
    state = State(SourceState.RUNNING)
    assert not state.advance_from(SourceState.DONE, SourceState.PENDING)
    assert state.advance_from(SourceState.FINISHING, SourceState.RUNNING)
    assert state.current is SourceState.FINISHING
