"""A measurement in a process of its own gives its output, or one line that says why there is none."""

from __future__ import annotations

import pytest

from visage.bench import child
from visage.bench.child import MeasurementFailed, run_child


def test_a_child_gets_its_job_and_what_it_prints_is_returned() -> None:
    assert run_child("echo", ["-c", "import sys; print(sys.stdin.read())"], {"frames": 3}) == '{"frames": 3}\n'


@pytest.mark.parametrize(
    ("program", "reason"),
    [("import sys; sys.exit('no such clip')", "no such clip"), ("import sys; sys.exit(7)", "it ended with code 7")],
)
def test_a_child_that_fails_is_named_with_its_last_line(program: str, reason: str) -> None:
    with pytest.raises(MeasurementFailed) as failed:
        run_child("pipeline", ["-c", program], {})
    assert str(failed.value) == f"the measurement 'pipeline' failed: {reason}"


def test_no_measurement_is_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child would wait for ever."""
    monkeypatch.setattr(child, "MEASUREMENT_SECONDS", 0.1)
    with pytest.raises(MeasurementFailed, match=r"'pipeline' took longer than 0\.1 s: use fewer --frames"):
        run_child("pipeline", ["-c", "import threading; threading.Event().wait()"], {})
