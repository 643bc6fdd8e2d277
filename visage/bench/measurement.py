"""What is measured, and how a rate is taken from it.

A rate is that of the steady state: from the first frame at or after one sixth of the clip to the last at or before five
sixths. Filling and emptying the queues and compiling networks for the clip's size stay outside, for pipelines and loops
alike, and every measurement of a clip covers the same pictures.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

__all__ = ["Meter", "Pass", "StageCost", "StageCosts", "peak_rss_bytes", "steady_range"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over a clip.

    Attributes:
        frames: of the clip that were passed, looked at or not.
        faces: found in those looked at.
        fps: frames a second in the steady state.
        cpu_seconds_per_frame: of the whole process, in the steady state.
        others_cores: processors that other programs on this machine kept busy meanwhile; they make `fps` lower.
        seconds: of the whole pass, from loading the networks until everything is written.
        first_row_seconds: from the start of the process until the first frame was done.
        peak_rss_bytes: of the process.
    """

    frames: int
    faces: int
    fps: float
    cpu_seconds_per_frame: float
    others_cores: float
    seconds: float
    first_row_seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True, slots=True)
class StageCost:
    """A stage alone, with every library on one thread.

    Attributes:
        cpu_seconds_per_frame: of the clip, however many items a frame holds.
        items_per_second: by the clock.
        unit: what an item is.
        part_of: the stage whose cost contains this one; None if it adds to the sum.
    """

    cpu_seconds_per_frame: float
    items_per_second: float
    unit: str
    part_of: str | None = None


@dataclass(frozen=True, slots=True)
class StageCosts:
    """The cost of every stage over the same frames, in CPU seconds a frame.

    Attributes:
        backend: what ran the networks.
        faces_per_frame: in these frames.
    """

    stages: dict[str, StageCost]
    backend: str
    faces_per_frame: float


class Meter:
    """Measures the seconds of one pass; to be made before the networks are loaded."""

    def __init__(self, frames: int, *, process_started_at: float) -> None:
        """
        Args:
            frames: of the clip.
            process_started_at: on `time.monotonic`'s clock, which processes share.
        """
        self._frames = frames
        self._process_started_at = process_started_at
        self._faces = 0
        self._marks: list[_Mark] = []
        self._started = _Mark.now(0)

    def mark(self, index: int, faces: int = 0) -> None:
        """Note the time at which this frame, counted from 0, and all before it were done."""
        self._faces += faces
        self._marks.append(_Mark.now(index + 1))

    def finish(self) -> Pass:
        """Return the figures of the pass, times in seconds; to be called once everything is written."""
        ended = _Mark.now(self._frames)
        first, last = steady_range(self._frames)
        steady = [mark for mark in self._marks if first <= mark.frames <= last]
        # Too few marks for a steady state, as in tests: then the whole pass.
        begin, end = (steady[0], steady[-1]) if len(steady) > 1 else (self._started, ended)
        frames, seconds, cpu_seconds = end.frames - begin.frames, end.at - begin.at, end.cpu_seconds - begin.cpu_seconds
        return Pass(
            frames=self._frames,
            faces=self._faces,
            fps=frames / seconds,
            cpu_seconds_per_frame=cpu_seconds / frames,
            others_cores=max(0.0, (end.busy_seconds - begin.busy_seconds - cpu_seconds) / seconds),
            seconds=ended.at - self._started.at,
            first_row_seconds=self._marks[0].at - self._process_started_at if self._marks else float("nan"),
            peak_rss_bytes=peak_rss_bytes(),
        )


class _Mark(NamedTuple):
    """The clocks when this many frames were done."""

    frames: int
    at: float
    cpu_seconds: float
    busy_seconds: float  # of all processors of the machine

    @classmethod
    def now(cls, frames: int) -> _Mark:
        machine = psutil.cpu_times()
        busy_seconds = machine.user + machine.nice + machine.system + machine.irq + machine.softirq + machine.steal
        return cls(frames, time.monotonic(), time.process_time(), busy_seconds)


def steady_range(frames: int) -> tuple[int, int]:
    """Return the first and last number of finished frames between which a pass counts as steady."""
    return frames // 6, frames * 5 // 6


def peak_rss_bytes() -> int:
    """Return the peak resident memory of this process, in bytes; `getrusage` would include its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM")
