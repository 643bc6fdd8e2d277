"""A stretch of steady work: how much passed in it, and what it took.

Rates are taken between two moments, both after every source has delivered its first frames and before any ends, so
opening files and loading networks stay outside.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from visage.bench.card.utilization import Utilization, UtilizationSampler
from visage.runtime.errors import RuntimeFailure

__all__ = ["CardMeasurementFailed", "FrameCounter", "SteadyWork", "WorkMeter", "measure_window"]

WARM_FRAMES = 128
"""Of every source, before the clock starts: its queues are full by then, and the usual batches recorded as graphs."""

WARM_TIMEOUT_SECONDS = 120.0


class CardMeasurementFailed(RuntimeFailure):
    """Raised where a measurement could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class SteadyWork:
    """What happened between two moments.

    Attributes:
        sources: videos decoded at once.
        processes: that shared them.
        fps: frames a second, all sources together.
        cpu_microseconds_per_frame: on the host, in all processes, FFmpeg's and the driver's included.
        owner_microseconds_per_frame: of that, in the process that has the sinks, where there are others.
        bytes_to_host_per_frame, bytes_to_device_per_frame: copied over the bus by Visage, the coded video apart; None
            where it was done in other processes.
        utilization: of the card; None where nvidia-smi does not say.
        waiting: share of the time that each stage waited for others, by its name.
    """

    sources: int
    seconds: float
    frames: int
    faces: int
    fps: float
    cpu_microseconds_per_frame: float
    bytes_to_host_per_frame: float | None
    bytes_to_device_per_frame: float | None
    utilization: Utilization | None
    processes: int = 1
    owner_microseconds_per_frame: float | None = None
    waiting: dict[str, float] = field(default_factory=dict)


class WorkMeter(Protocol):
    """The counters that are read at both ends of a window, in seconds and bytes."""

    @property
    def ordinal(self) -> int:
        """The number of the card."""

    def cpu_seconds(self) -> float:
        """Return the processor time of all processes so far, in seconds."""

    def bus_bytes(self) -> tuple[int, int] | None:
        """Return the bytes copied to the host and to the card so far; None where they are not counted."""


class FrameCounter:
    """Counts the frames and faces of one source; one thread adds, another one reads."""

    def __init__(self) -> None:
        self.frames = 0
        self.faces = 0
        self.ended = False
        self.is_warm = threading.Event()

    def add(self, faces: int = 0) -> None:
        """Count one frame with this many faces."""
        self.frames += 1
        self.faces += faces
        if self.frames == WARM_FRAMES:
            self.is_warm.set()

    def end(self) -> None:
        """Note that the source has ended; a window that is being measured then raises CardMeasurementFailed."""
        self.ended = True
        self.is_warm.set()


def measure_window(
    counters: list[FrameCounter], meter: WorkMeter, *, seconds: float, on_warm: Callable[[], object] = lambda: None
) -> SteadyWork:
    """Measure for this many seconds once all sources run.

    Args:
        on_warm: called then; may wait for others.

    Raises:
        CardMeasurementFailed: a source does not begin, or ends meanwhile.
    """
    until = time.monotonic() + WARM_TIMEOUT_SECONDS
    for counter in counters:
        if not counter.is_warm.wait(max(0.0, until - time.monotonic())):
            raise CardMeasurementFailed(f"a source did not begin within {WARM_TIMEOUT_SECONDS:.0f} s")
    on_warm()
    with UtilizationSampler(meter.ordinal) as sampler:
        before, frames, faces = meter.bus_bytes(), _frames(counters), _faces(counters)
        began, cpu = time.monotonic(), meter.cpu_seconds()
        time.sleep(seconds)
        frames, faces = _frames(counters) - frames, _faces(counters) - faces
        lasted, cpu, after = time.monotonic() - began, meter.cpu_seconds() - cpu, meter.bus_bytes()
    if any(counter.ended for counter in counters):
        raise CardMeasurementFailed("a source ended while it was measured; use a longer clip")
    if not frames:
        raise CardMeasurementFailed(f"no frame came in {seconds:.0f} s")
    return SteadyWork(
        sources=len(counters),
        seconds=lasted,
        frames=frames,
        faces=faces,
        fps=frames / lasted,
        cpu_microseconds_per_frame=1e6 * cpu / frames,
        bytes_to_host_per_frame=None if before is None or after is None else (after[0] - before[0]) / frames,
        bytes_to_device_per_frame=None if before is None or after is None else (after[1] - before[1]) / frames,
        utilization=sampler.mean(),
    )


def _frames(counters: list[FrameCounter]) -> int:
    return sum(counter.frames for counter in counters)


def _faces(counters: list[FrameCounter]) -> int:
    return sum(counter.faces for counter in counters)
