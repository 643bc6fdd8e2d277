"""A pipeline that runs for months: sources come and go, and nothing of those that went remains but their counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from stages.errors import OutputFailed
from tests.runtime.latches import BOUND_SECONDS
from tests.runtime.scripted import RecordingSink
from tests.runtime.test_pipeline import Rig
from visage.runtime import Outcome, Pipeline, SourceState


class LongRig(Rig):
    """Tells of every source that ended."""

    def __init__(self) -> None:
        super().__init__()
        self.detect.gate.set()
        self.outcomes: list[Outcome] = []
        self._changed = threading.Condition()

    def build(self) -> Pipeline:
        return Pipeline(
            detect=self.detect,
            embed=self.embed,
            open_sinks=self._open_sinks,
            limits=self.limits,
            on_ended=self._note,
        )

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.outcomes) >= count, BOUND_SECONDS)

    def _note(self, outcome: Outcome) -> None:
        with self._changed:
            self.outcomes.append(outcome)
            self._changed.notify_all()


@pytest.fixture
def rig() -> Iterator[LongRig]:
    rig = LongRig()
    yield rig
    assert rig.pool.statistics().leased == 0


def test_a_forgotten_source_leaves_its_counts_and_its_name(rig: LongRig) -> None:
    """The same name ten times over: each source ends, is forgotten, and the next one takes its place."""
    with rig.build() as pipeline:
        pipeline.start()
        for turn in range(10):
            pipeline.add("a", rig.source("a", 5))
            rig.wait_for(turn + 1)
            assert pipeline.forget("a").state is SourceState.DONE
        statistics = pipeline.statistics()
        assert statistics.sources == ()
        assert pipeline.outcomes == {}
        assert (statistics.forgotten.sources, statistics.forgotten.frames_done, statistics.forgotten.faces) == (
            10,
            50,
            50,
        )


def test_a_name_is_as_good_as_new_after_its_sink_failed(rig: LongRig) -> None:
    rig.sinks["a"] = RecordingSink(error=OutputFailed("disk full"), fails_at=1)
    with rig.build() as pipeline:
        pipeline.start()
        pipeline.add("a", rig.source("a", 5))
        rig.wait_for(1)
        assert pipeline.forget("a").state is SourceState.FAILED
        rig.sinks["a"] = RecordingSink()
        pipeline.add("a", rig.source("a", 5))
        rig.wait_for(2)
        assert rig.sinks["a"].rows == list(range(5))


def test_one_source_is_interrupted_and_the_others_go_on(rig: LongRig) -> None:
    with rig.build() as pipeline:
        pipeline.start()
        pipeline.add("endless", rig.source("endless", 0, endless=True))
        pipeline.interrupt("endless")
        rig.wait_for(1)
        pipeline.add("b", rig.source("b", 5))
        rig.wait_for(2)
    assert [(o.source_id, o.state) for o in rig.outcomes] == [
        ("endless", SourceState.INTERRUPTED),
        ("b", SourceState.DONE),
    ]


def test_a_source_that_waits_for_a_decoder_can_be_interrupted(rig: LongRig) -> None:
    """Interrupted before the pipeline has started it: it never opens, and is settled at once."""
    waiting = rig.source("a", 5)
    with rig.build() as pipeline:
        pipeline.add("a", waiting)
        pipeline.interrupt("a")
        assert waiting.is_closed
        assert pipeline.forget("a").state is SourceState.INTERRUPTED


def test_a_running_source_is_not_forgotten(rig: LongRig) -> None:
    with rig.build() as pipeline:
        pipeline.start()
        pipeline.add("endless", rig.source("endless", 0, endless=True))
        with pytest.raises(KeyError):
            pipeline.forget("endless")
