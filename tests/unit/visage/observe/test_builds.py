"""What people see while an engine is built."""

from __future__ import annotations

import io

from stages.backends.tensorrt_builder import BuildProgress
from visage.observe.builds import EngineBuilds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_first_line_then_one_a_minute_then_the_last() -> None:
    log = io.StringIO()
    builds = EngineBuilds(stream=log)
    for seconds in range(1, 131):
        builds("yunet", BuildProgress(float(seconds), None))
    builds("yunet", BuildProgress(131.0, 1.0))
    shown = [line.rpartition(": ")[2] for line in log.getvalue().splitlines()]
    assert shown == ["1 s", "61 s", "121 s", "131 s, 100%"]


def test_a_terminal_s_line_is_rewritten_and_ended_once() -> None:
    terminal = Terminal()
    builds = EngineBuilds(stream=terminal)
    for fraction in (0.25, 0.5, 1.0):
        builds("sface", BuildProgress(4 * fraction, fraction))
    assert terminal.getvalue().count("\r") == 3
    assert terminal.getvalue().count("\n") == 1
    assert "the TensorRT engine of sface" in terminal.getvalue()
    assert terminal.getvalue().endswith("4 s, 100%\n")
