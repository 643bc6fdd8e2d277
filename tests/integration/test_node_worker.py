"""A worker of a node with a real process: what is told again, what is dropped, and what a death leaves."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from stages.sink.destination import FolderDestination
from tests.media import Media
from visage.assembly import describe_run
from visage.cli.job_outputs import FileOutputs
from visage.cluster.node_worker import NodeWorker
from visage.cluster.orders import Finished, JobOrder, Pulse
from visage.cluster.roots import RootMap
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.fleet.messages import Task
from visage.models import ModelStore

pytestmark = pytest.mark.usefixtures("models")

BOUND_SECONDS = 100.0


class Bench:
    """One worker, and orders for it."""

    def __init__(self, settings: Settings, media: Media, folder: Path) -> None:
        self.folder = folder
        self._run = describe_run(settings)
        self._film = media.path("single_face.mp4")
        self._orders: dict[int, JobOrder] = {}
        self.orphaned = threading.Event()
        task = Task(settings, 2, logging.WARNING)
        self.worker = NodeWorker("worker 0 on n1", task, RootMap("n1", {}, {}), on_orphaned=self.orphaned.set)

    def begin(self, token: int, name: str = "film", uri: str | None = None) -> None:
        place = self.folder / name
        tables = FolderDestination(place, self._run, source_ids=[name], folders={name: place})
        spec = SourceSpec(uri=uri or str(self._film), source_id=name)
        outputs = [FileOutputs(tables, {}, {name: spec.uri})]
        self.worker.begin(JobOrder(token, f"run-{token}", spec, spec.uri, outputs))

    def until(self, condition: Callable[[Pulse], bool]) -> Pulse:
        """The first pulse that fits; each waits for news."""
        pulse = self.worker.pulse(0.0)
        for _ in range(int(BOUND_SECONDS)):
            if condition(pulse):
                return pulse
            pulse = self.worker.pulse(1.0)
        raise AssertionError(f"not after {BOUND_SECONDS:g} s: {pulse}")

    def finished(self, token: int) -> Finished:
        pulse = self.until(lambda pulse: any(one.token == token for one in pulse.finished))
        return next(one for one in pulse.finished if one.token == token)


@pytest.fixture
def bench(media: Media, models: ModelStore, tmp_path: Path) -> Iterator[Bench]:
    settings = Settings(model_dir=models.model_dir, device="cpu", frameskip=8, propagate=False, threads=1)
    bench = Bench(settings, media, tmp_path)
    bench.until(lambda pulse: pulse.is_ready)
    yield bench
    bench.worker.close()


def test_a_finished_job_is_told_until_it_is_forgotten(bench: Bench) -> None:
    bench.begin(1)
    bench.begin(1)  # the answer was lost: again does nothing
    ended = bench.finished(1)
    assert (ended.error, ended.ended.frames_decoded) == (None, 72)
    assert not (bench.folder / "film" / "metadata.json").exists()
    assert bench.finished(1) == ended, "no one has acknowledged it"
    results = bench.worker.results(1)
    assert results.info is not None
    assert results.statistics is not None
    assert results.statistics.frames_done == 9
    bench.worker.settle(1, publish=True)
    bench.worker.settle(1, publish=True)
    assert (bench.folder / "film" / "metadata.json").exists()
    bench.worker.forget(1)
    assert bench.worker.pulse(0.0).holds == frozenset()


def test_a_job_whose_lease_ended_leaves_nothing(bench: Bench) -> None:
    bench.begin(1)
    bench.worker.settle(1, publish=False)
    bench.until(lambda pulse: 1 not in pulse.holds)
    assert not (bench.folder / "film").exists()
    bench.begin(2)
    assert bench.finished(2).error is None, "the next attempt at the film is its own"


def test_a_film_that_is_not_here_may_be_elsewhere(bench: Bench) -> None:
    bench.begin(1, "lost", "/nowhere/lost.mp4")
    ended = bench.finished(1)
    assert ended.refusal == "worker 0 on n1: /nowhere/lost.mp4 does not exist; check the name"


def test_a_process_that_dies_is_started_again_and_names_what_it_had(bench: Bench) -> None:
    bench.begin(1)
    (process,) = (
        child for child in psutil.Process().children(recursive=True) if "worker_main" in " ".join(child.cmdline())
    )
    os.kill(process.pid, signal.SIGKILL)
    ended = bench.finished(1)
    assert ended.death == "worker 0 on n1: the process worker 0 on n1 was ended by signal 9"
    bench.begin(2, "other")
    assert bench.finished(2).is_returned, "it never began"
    bench.worker.settle(1, publish=False)
    bench.until(lambda pulse: pulse.is_ready)
    bench.begin(3)
    assert bench.finished(3).death is None


def test_a_worker_that_no_one_asks_ends(media: Media, models: ModelStore, tmp_path: Path) -> None:
    orphaned = threading.Event()
    settings = Settings(model_dir=models.model_dir, device="cpu", threads=1)
    worker = NodeWorker(
        "worker 0 on n1",
        Task(settings, 1, logging.WARNING),
        RootMap("n1", {}, {}),
        on_orphaned=orphaned.set,
        orphan_seconds=0.2,
    )
    assert orphaned.wait(BOUND_SECONDS)
    worker.close()
