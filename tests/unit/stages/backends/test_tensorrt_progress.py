from __future__ import annotations

import pytest

from stages.backends.tensorrt_progress import BuildPhases


def test_a_phase_shares_its_parent_s_current_step() -> None:
    phases = BuildPhases()
    phases.start("build", None, 2)
    phases.complete("build", 0)
    phases.start("tactics", "build", 4)
    phases.complete("tactics", 1)
    assert phases.fraction == pytest.approx(0.5 + 0.5 * 2 / 4)
    phases.finish("tactics")
    phases.complete("build", 1)
    assert phases.fraction == 1.0


def test_a_second_phase_of_the_same_step_does_not_go_back() -> None:
    phases = BuildPhases()
    phases.start("build", None, 2)
    for name in ("first", "second"):
        phases.start(name, "build", 10)
        phases.complete(name, 4 if name == "first" else 0)
    assert phases.fraction == pytest.approx(0.5 * 5 / 10)


def test_phases_without_steps_and_steps_of_no_phase_are_no_error() -> None:
    phases = BuildPhases()
    phases.start("empty", None, 0)
    phases.complete("unheard of", 3)
    assert phases.fraction == 0.0
