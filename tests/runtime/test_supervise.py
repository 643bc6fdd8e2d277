"""Signals and progress around a running pipeline, with its stages held where each test needs them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import anyio
import pytest

from stages.buffers import BufferPool
from tests.runtime.latches import BOUND_SECONDS
from tests.runtime.scripted import RecordingSink, ScriptedDetect, ScriptedSource
from visage.cli.supervision import supervise
from visage.runtime import Pipeline, PipelineLimits, SourceState
from visage.runtime.state import PipelineState
from visage.runtime.statistics import PipelineStatistics
from visage.stop_requests import StopRequests


class Script:
    """A progress display that takes each step once its condition holds, in order; the control loop calls it."""

    def __init__(self, *steps: tuple[Callable[[PipelineStatistics], bool], Callable[[], Any]]) -> None:
        self.steps = list(steps)
        self.updates = 0

    def update(self, statistics: PipelineStatistics) -> None:
        self.updates += 1
        if self.steps and self.steps[0][0](statistics):
            self.steps.pop(0)[1]()

    def close(self) -> None:
        pass


class Rig:
    def __init__(self) -> None:
        self.detect = ScriptedDetect()
        self.sink = RecordingSink()
        self.pool = BufferPool(32, lambda: bytearray(1))
        self.pipeline = Pipeline(
            detect=self.detect, embed=None, open_sinks=lambda info: [self.sink], limits=PipelineLimits()
        )

    def run(
        self,
        script: Script,
        *,
        count: int = 1,
        endless: bool = False,
        drain_seconds: float = BOUND_SECONDS,
        signals_at: Iterable[float] = (0.0,),
    ) -> signal.Signals | None:
        self.pipeline.add("film", ScriptedSource(self.pool, "film", count, endless=endless))
        self.pipeline.finish()
        with self.pipeline:
            self.pipeline.start()
            requests = StopRequests(now=iter(signals_at).__next__)
            received = anyio.run(partial(supervise, requests=requests), self.pipeline, script, drain_seconds)
            self.detect.gate.set()
        return received


@pytest.fixture
def rig() -> Rig:
    return Rig()


def send(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def is_in(state: PipelineState) -> Callable[[PipelineStatistics], bool]:
    return lambda statistics: statistics.state is state


def test_an_undisturbed_run_returns_no_signal_and_shows_progress(rig: Rig) -> None:
    rig.detect.gate.set()
    script = Script()
    assert rig.run(script, count=8) is None
    assert rig.pipeline.outcomes["film"].state is SourceState.DONE
    assert script.updates >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_finishes_what_is_in_flight(rig: Rig, number: signal.Signals) -> None:
    """An endless source runs; a signal arrives after some frames are done; every frame read is still written."""
    rig.detect.gate.set()
    script = Script((lambda statistics: statistics.sources[0].frames_done > 0, send(number)))
    assert rig.run(script, endless=True) is number
    outcome = rig.pipeline.outcomes["film"]
    assert outcome.state is SourceState.INTERRUPTED
    assert rig.sink.rows == list(range(outcome.frames_decoded))
    assert rig.sink.ended is not None
    assert rig.sink.ended.interrupted


def test_the_second_signal_drops_what_is_in_flight(rig: Rig) -> None:
    """Detection is held, so the drain can't end; the second signal ends supervision although detection still hangs."""
    script = Script(
        (lambda statistics: rig.detect.entered.is_set(), send(signal.SIGINT)),
        (is_in(PipelineState.DRAINING), send(signal.SIGTERM)),
    )
    assert rig.run(script, count=8, signals_at=(100.0, 100.6)) is signal.SIGINT
    assert rig.pipeline.outcomes["film"].state is SourceState.INTERRUPTED
    assert rig.sink.rows == []
    assert rig.pool.statistics().leased == 0


def test_a_signal_that_comes_twice_at_once_drops_nothing(rig: Rig) -> None:
    """As `timeout` sends it, to the process and to its group. Detection is held until the second has been taken in."""
    taken: list[float] = []

    def times() -> Iterator[float]:
        for seconds in (100.0, 100.4):
            taken.append(seconds)
            yield seconds

    script = Script(
        (lambda statistics: rig.detect.entered.is_set(), send(signal.SIGTERM)),
        (is_in(PipelineState.DRAINING), send(signal.SIGTERM)),
        (lambda statistics: len(taken) == 2, rig.detect.gate.set),
    )
    assert rig.run(script, endless=True, signals_at=times()) is signal.SIGTERM
    outcome = rig.pipeline.outcomes["film"]
    assert rig.sink.rows == list(range(outcome.frames_decoded))
    assert rig.sink.rows


def test_a_drain_that_takes_too_long_becomes_an_abort(rig: Rig) -> None:
    """Detection is held and one signal sent; with no time to drain the pipeline is aborted without a second."""
    script = Script((lambda statistics: rig.detect.entered.is_set(), send(signal.SIGTERM)))
    assert rig.run(script, count=8, drain_seconds=0.0) is signal.SIGTERM
    assert rig.pipeline.outcomes["film"].state is SourceState.INTERRUPTED


def test_a_hangup_that_is_ignored_stays_so(rig: Rig) -> None:
    """Under `nohup` SIGHUP is ignored when the process starts: one that arrives ends nothing."""
    rig.detect.gate.set()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        script = Script((lambda statistics: statistics.sources[0].frames_done > 0, send(signal.SIGHUP)))
        assert rig.run(script, count=8) is None
    finally:
        signal.signal(signal.SIGHUP, before)
    assert rig.pipeline.outcomes["film"].state is SourceState.DONE
