"""Visage at its defaults: YuNet, SFace, every frame, every face embedded; with `detection` as third argument none.

`analyze` loads the networks each time. So that the clock starts where the other programs' does, a run over the first
frame alone is taken off; `seconds_with_start` is the time of the whole run.
"""

import json
import resource
import sys
import time

import visage

clip, out = sys.argv[1:3]
embed = None if sys.argv[3:] == ["detection"] else "all"
ONE_FRAME_SECONDS = 0.01


def measured(**settings):
    """(boxes, seconds, CPU seconds) of a run."""
    started, used = time.perf_counter(), cpu_seconds()
    frames = visage.analyze(clip, track=False, device="cpu", embed=embed, **settings)
    boxes = [[list(face.box_xyxy) for face in frame.faces] for frame in frames]
    return boxes, time.perf_counter() - started, cpu_seconds() - used


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_bytes():
    """Most memory since the program was loaded; `ru_maxrss` would count its parent's, which `exec` keeps."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))


measured(end_seconds=ONE_FRAME_SECONDS)  # imports
first, start_seconds, start_cpu_seconds = measured(end_seconds=ONE_FRAME_SECONDS)
boxes, seconds, cpu = measured()
assert len(first) == 1
result = {
    "setting": "YuNet at 640, SFace, defaults" if embed else "YuNet at 640, detection only",
    "versions": {"visage": visage.__version__},
    "frames": len(boxes),
    "seconds": seconds - start_seconds,
    "seconds_with_start": seconds,
    "cpu_seconds": cpu - start_cpu_seconds,
    "peak_bytes": peak_bytes(),
    "boxes": boxes,
}
with open(out, "w", encoding="utf-8") as file:
    json.dump(result, file)
