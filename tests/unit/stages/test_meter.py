"""Each stage is counted under its own name, with its own time, also inside another one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stages import meter
from stages.chain import Chain
from stages.frames import Frame, Observation, Picture
from stages.imaging.patches import Gray
from stages.meter import Metered, metered
from stages.track.stage import TrackStage
from tests.unit.stages.test_chain import Adding
from tests.unit.stages.track.scenes import GrayLuma
from tests.unit.stages.track.test_stage import Finding, film


class Clock:
    """Moves only when a stage says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def perf_counter(self) -> float:
        return self.seconds


class SlowDetect(Finding):
    """Takes 3 seconds for a batch; the second one raises."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def process(self, batch: Sequence[Frame]) -> list[Observation]:
        self._clock.seconds += 3
        if self.calls:
            raise RuntimeError("lost the device")
        return super().process(batch)


class SlowLuma(GrayLuma):
    """Takes a quarter of a second for a batch's thumbnails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def thumbnails(self, pictures: Sequence[Picture]) -> list[Gray]:
        self._clock.seconds += 0.25
        return super().thumbnails(pictures)


class Calls(list[tuple[str, int, float]]):
    """Implements `stages.contract.Hook`."""

    def on_batch(self, stage: str, size: int, seconds: float) -> None:
        self.append((stage, size, seconds))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(meter, "time", clock)
    return clock


def tracking(clock: Clock) -> Metered[Frame, Observation]:
    return metered(TrackStage(SlowDetect(clock), patch_reader=SlowLuma(clock), follows=True))


def test_tracking_does_not_count_as_detection(clock: Clock) -> None:
    stage, calls = tracking(clock), Calls()
    for counter in stage.counters:
        counter.hooks = [calls]
    stage.process(film(9))
    assert calls == [("detect", 2, 3.0), ("track", 9, 0.25)]  # two of the nine frames are looked at
    assert [(c.name, c.batches, c.items, c.seconds_busy) for c in stage.counters] == [
        ("detect", 1, 2, 3.0),
        ("track", 1, 9, 0.25),
    ]


def test_the_stage_that_failed_is_told_from_the_one_around_it(clock: Clock) -> None:
    stage = tracking(clock)
    stage.process(film(1))
    with pytest.raises(RuntimeError, match="lost"):
        stage.process(film(1, start=8))
    assert next(counter.name for counter in stage.counters if counter.has_failed) == "detect"


def test_both_of_a_chain_are_counted_and_the_chain_is_not() -> None:
    stage = metered(Chain(Adding("embed", 1, []), Adding("identify", 10, [])))
    stage.process([1, 2, 3])
    assert [(counter.name, counter.items) for counter in stage.counters] == [("embed", 3), ("identify", 3)]


def test_a_counted_stage_is_not_counted_twice() -> None:
    stage = metered(Adding("embed", 1, []))
    assert metered(stage) is stage
