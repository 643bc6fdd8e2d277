"""A stretch of steady work: how much passed in it, and what it took.

Rates are taken between two moments, both after every source has delivered its first frames and before any ends, so
opening files and loading networks stay outside.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from stages.buffers.cuda import CudaDevice
from visage.bench.card.utilization import Utilization, UtilizationSampler
from visage.runtime.errors import RuntimeFailure

__all__ = ["FrameCounter", "MeasurementFailed", "Window", "measure_window"]

WARM_FRAMES = 48
"""Of every source, before the clock starts: its decoder's queues are full by then."""

WARM_TIMEOUT_SECONDS = 120.0


class MeasurementFailed(RuntimeFailure):
    """A measurement could not be made; says why."""


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two moments.

    Attributes:
        sources: videos decoded at once.
        fps: frames a second, all sources together.
        cpu_microseconds_per_frame: of the whole process on the host, FFmpeg's and the driver's included.
        bytes_to_host_per_frame, bytes_to_device_per_frame: copied over the bus by Visage, the coded video apart.
        utilization: of the card; None where nvidia-smi does not say.
        waiting: share of the time that each stage waited for others, by its name.
    """

    sources: int
    seconds: float
    frames: int
    faces: int
    fps: float
    cpu_microseconds_per_frame: float
    bytes_to_host_per_frame: float
    bytes_to_device_per_frame: float
    utilization: Utilization | None
    waiting: dict[str, float] = field(default_factory=dict)


class FrameCounter:
    """Counts one source's frames; filled by one thread, read by another."""

    def __init__(self) -> None:
        self.frames = 0
        self.faces = 0
        self.ended = False
        self.is_warm = threading.Event()

    def add(self, faces: int = 0) -> None:
        self.frames += 1
        self.faces += faces
        if self.frames == WARM_FRAMES:
            self.is_warm.set()

    def end(self) -> None:
        self.ended = True
        self.is_warm.set()


def measure_window(counters: list[FrameCounter], device: CudaDevice, *, seconds: float) -> Window:
    """Measure so many seconds, once all sources run. Raises MeasurementFailed if one does not, or ends meanwhile."""
    until = time.monotonic() + WARM_TIMEOUT_SECONDS
    for counter in counters:
        if not counter.is_warm.wait(max(0.0, until - time.monotonic())):
            raise MeasurementFailed(f"a source did not begin within {WARM_TIMEOUT_SECONDS:.0f} s")
    with UtilizationSampler(device.ordinal) as sampler:
        before, frames, faces = device.statistics(), _frames(counters), _faces(counters)
        began, cpu = time.monotonic(), time.process_time()
        time.sleep(seconds)
        frames, faces = _frames(counters) - frames, _faces(counters) - faces
        lasted, cpu, after = time.monotonic() - began, time.process_time() - cpu, device.statistics()
    if any(counter.ended for counter in counters):
        raise MeasurementFailed("a source ended while it was measured; use a longer clip")
    if not frames:
        raise MeasurementFailed(f"no frame came in {seconds:.0f} s")
    return Window(
        sources=len(counters),
        seconds=lasted,
        frames=frames,
        faces=faces,
        fps=frames / lasted,
        cpu_microseconds_per_frame=1e6 * cpu / frames,
        bytes_to_host_per_frame=(after.bytes_to_host - before.bytes_to_host) / frames,
        bytes_to_device_per_frame=(after.bytes_to_device - before.bytes_to_device) / frames,
        utilization=sampler.mean(),
    )


def _frames(counters: list[FrameCounter]) -> int:
    return sum(counter.frames for counter in counters)


def _faces(counters: list[FrameCounter]) -> int:
    return sum(counter.faces for counter in counters)
