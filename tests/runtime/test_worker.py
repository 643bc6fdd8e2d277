"""Who owns a frame when a stage fails: the documented contract of `stages.contract.Stage`, as the worker keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from stages.buffers import BufferPool
from stages.contract import Stage
from stages.frames import Frame, Observation
from stages.sources import SourceEnded, SourceStarted
from tests.runtime.latches import BOUND_SECONDS
from tests.runtime.scripted import LeasedPicture, ScriptedDetect
from visage.runtime.errors import QueueClosed, StageFailed
from visage.runtime.queue import BoundedQueue
from visage.runtime.worker import StageWorker

Item = SourceStarted | Frame | SourceEnded


class Short(ScriptedDetect):
    """Returns one result too few."""

    def process(self, batch: Sequence[Frame]) -> list[Observation]:
        return super().process(batch)[:-1]


class HalfReleased(ScriptedDetect):
    """Releases the first frame's pixels, then fails."""

    def process(self, batch: Sequence[Frame]) -> list[Observation]:
        batch[0].release()
        raise RuntimeError("lost the device")


def run(stage: Stage[Frame, Observation], batches: Sequence[Sequence[Item]]) -> tuple[list[object], list[StageFailed]]:
    """What a worker passes on of these batches, and the failures it reports."""
    rest = iter(batches)

    def take() -> Sequence[Item]:
        for batch in rest:
            return batch
        raise QueueClosed

    output: BoundedQueue[SourceStarted | Observation | SourceEnded] = BoundedQueue(16)
    failures: list[StageFailed] = []
    worker: StageWorker[Frame] = StageWorker(stage, name="worker", take=take, output=output, on_failure=failures.append)
    worker.start()
    assert worker.join(BOUND_SECONDS)
    passed: list[object] = []
    while True:
        try:
            passed.append(output.get())
        except QueueClosed:
            return passed, failures


def frames(pool: BufferPool[bytearray], count: int) -> list[Frame]:
    return [Frame("a", index, index / 25, LeasedPicture(pool.lease(timeout_seconds=0))) for index in range(count)]


def end_raises() -> ScriptedDetect:
    stage = ScriptedDetect(end_error=RuntimeError("lost the device"))
    stage.gate.set()
    return stage


def too_few() -> ScriptedDetect:
    stage = Short()
    stage.gate.set()
    return stage


@pytest.fixture
def pool() -> Iterator[BufferPool[bytearray]]:
    pool = BufferPool(8, lambda: bytearray(1))
    yield pool
    pool.close()


@pytest.mark.parametrize("make", [end_raises, too_few, HalfReleased])
def test_no_frame_of_a_failed_batch_stays_out(
    pool: BufferPool[bytearray], make: Callable[[], Stage[Frame, Observation]]
) -> None:
    passed, (failure,) = run(make(), [[*frames(pool, 3), SourceEnded("a", 3)]])
    assert passed == []
    assert failure.stage == "detect"
    assert pool.statistics().leased == 0


def test_results_of_earlier_batches_are_passed_on_and_own_their_frames(pool: BufferPool[bytearray]) -> None:
    first, second = frames(pool, 2), frames(pool, 1)
    passed, failures = run(end_raises(), [first, [*second, SourceEnded("a", 3)]])
    assert [item.frame for item in passed if isinstance(item, Observation)] == first
    assert len(failures) == 1
    assert pool.statistics().leased == 2
    for frame in first:
        frame.release()
