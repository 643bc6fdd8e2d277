"""What `load` measures, in as many processes as a run takes for it: decoders alone, and a fleet with its sinks here."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import BrokenBarrierError

import psutil

from visage.assembly import build_run
from visage.bench.card.load import CountingSinks, measure_decoders, specs_of
from visage.bench.card.steady_work import CardMeasurementFailed, SteadyWork, measure_window
from visage.config import Settings
from visage.fleet import Fleet, Task

__all__ = ["measure_decoders_apart", "measure_fleet"]

WARM_SECONDS = 120.0


def measure_decoders_apart(tasks: Sequence[Task], clip: Path, *, sources: int, seconds: float) -> SteadyWork:
    """The decoders alone, spread over processes as the tasks are. All are measured over the same time."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(tasks))
    with ProcessPoolExecutor(len(tasks), mp_context=context, initializer=_share, initargs=(barrier,)) as pool:
        shares = [sources // len(tasks) + (number < sources % len(tasks)) for number in range(len(tasks))]
        measured = [
            pool.submit(_measure, task.settings, clip, share, seconds)
            for task, share in zip(tasks, shares, strict=True)
        ]
        windows = [future.result() for future in measured]
    fps = sum(window.fps for window in windows)
    return replace(
        windows[0],
        sources=sources,
        processes=len(tasks),
        frames=sum(window.frames for window in windows),
        fps=fps,
        cpu_microseconds_per_frame=sum(w.cpu_microseconds_per_frame * w.fps for w in windows) / fps,
    )


def measure_fleet(settings: Settings, clip: Path, *, sources: int, seconds: float) -> SteadyWork:
    """Every frame detected, every face embedded, in the processes that the settings ask for."""
    sinks = CountingSinks(sources)
    fleet = build_run(settings, specs_of(clip, sources), open_sinks=sinks.open_here, wants_frames=True)
    if not isinstance(fleet, Fleet):
        raise CardMeasurementFailed("these settings ask for one process")
    own: list[float] = []
    with fleet:
        fleet.start()
        meter = _FleetMeter(fleet, settings.cuda_ordinal)
        try:
            window = measure_window(
                sinks.counters, meter, seconds=seconds, on_warm=lambda: own.append(time.process_time())
            )
        except CardMeasurementFailed as failed:
            raise fleet.failure or failed from None
        own.append(time.process_time())
    if fleet.failure is not None:
        raise fleet.failure
    return replace(
        window,
        processes=len(fleet.process_ids),
        owner_microseconds_per_frame=1e6 * (own[1] - own[0]) / window.frames,
    )


class _FleetMeter:
    """Of a fleet's workers and of this process."""

    def __init__(self, fleet: Fleet, ordinal: int) -> None:
        self.ordinal = ordinal
        self._processes = [psutil.Process(number) for number in fleet.process_ids]

    def cpu_seconds(self) -> float:
        times = [process.cpu_times() for process in self._processes]
        return time.process_time() + sum(spent.user + spent.system for spent in times)

    def bus_bytes(self) -> tuple[int, int] | None:
        """The workers count them, each for itself."""
        return None


_barrier: Barrier | None = None
"""In a measuring process, what it shares with the others; a pool's initialiser can leave it nowhere else."""


def _share(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603
    _barrier = barrier


def _measure(settings: Settings, clip: Path, sources: int, seconds: float) -> SteadyWork:
    assert _barrier is not None
    barrier = _barrier
    try:
        return measure_decoders(
            settings, clip, sources=sources, seconds=seconds, on_warm=lambda: barrier.wait(WARM_SECONDS)
        )
    except BrokenBarrierError:
        raise CardMeasurementFailed("the decoders of another process failed") from None
    finally:
        barrier.abort()  # the others are past it, or wait for one that will not come
