"""What every peer gets: the clip's frames as BGR arrays, decoded by PyAV on two threads, and what it is measured with.

A peer is a script `PEER.py CLIP OUT.json`; it hands `run` a function from a frame to boxes (x1, y1, x2, y2).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import av
import numpy as np

__all__ = ["run"]

Box = Sequence[float]


def run(analyse: Callable[[np.ndarray], Sequence[Box]], *, setting: str, versions: dict[str, str]) -> None:
    """Analyse the clip frame by frame, and write what it took and what was found."""
    clip, out = sys.argv[1:3]
    frames = _frames(clip)
    analyse(next(frames))  # loads and compiles
    started, used = time.perf_counter(), _cpu_seconds()
    boxes = [[list(map(float, box)) for box in analyse(frame)] for frame in _frames(clip)]
    seconds, cpu_seconds = time.perf_counter() - started, _cpu_seconds() - used
    result = {
        "setting": setting,
        "versions": versions,
        "frames": len(boxes),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_bytes": _peak_bytes(),
        "boxes": boxes,
    }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(result, file)


def _frames(clip: str) -> Iterator[np.ndarray]:
    with av.open(clip) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 2
        for frame in container.decode(stream):
            yield frame.to_ndarray(format="bgr24")


def _peak_bytes() -> int:
    """Most memory since the program was loaded; `ru_maxrss` would count its parent's, which `exec` keeps."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
