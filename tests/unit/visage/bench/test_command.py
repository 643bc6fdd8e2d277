"""The figures of the real command, and the limit that they are held against."""

from __future__ import annotations

import pytest

from visage.bench.card.steady_work import SteadyWork
from visage.bench.card.suite import Width, decoder_limit
from visage.bench.card.utilization import Utilization
from visage.bench.command import CommandRun, command_record, command_row


def test_what_a_person_waits_for_is_start_work_and_tail() -> None:
    run = CommandRun("16 films", 16, 1000, 20, seconds=10.0, first_row_seconds=2.0, between_seconds=7.5, limit_fps=200)
    assert (run.fps, run.tail_seconds) == (100.0, 0.5)
    assert list(command_row(command_record(run))) == ["16 films", "100.0", "2.00", "133.3", "0.50", "0.50"]


def work(fps: float, decoder_percent: float | None) -> SteadyWork:
    utilization = None if decoder_percent is None else Utilization(50.0, decoder_percent, 1500.0)
    return SteadyWork(4, 4.0, 100, 0, fps, 1.0, None, None, utilization)


def test_the_limit_of_decoders_is_taken_where_they_are_busiest() -> None:
    """At low utilization the quotient is mostly noise; another codec's widths say nothing."""
    widths = [Width("h264", work(fps, percent), work(1.0, None)) for fps, percent in ((300.0, 5.0), (4380.0, 95.0))]
    widths.append(Width("hevc", work(5910.0, 99.0), work(1.0, None)))
    assert decoder_limit(widths, "h264") == pytest.approx(4380 / 0.95)
    assert decoder_limit([Width("h264", work(4380.0, None), work(1.0, None))], "h264") is None
