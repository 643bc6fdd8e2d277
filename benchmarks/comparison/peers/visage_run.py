"""Visage at its defaults: YuNet, SFace, every frame, every face embedded."""

import json
import resource
import sys
import time
from importlib.metadata import version

import visage

clip, out = sys.argv[1:3]


def once():
    return [[list(face.box_xyxy) for face in frame.faces] for frame in visage.analyze(clip, track=False, device="cpu")]


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


started, used = time.perf_counter(), cpu_seconds()  # with loading and compiling, which `analyze` does each time
boxes = once()
result = {
    "setting": "YuNet at 640, SFace, defaults",
    "versions": {"visage": version("visage")},
    "frames": len(boxes),
    "seconds": time.perf_counter() - started,
    "cpu_seconds": cpu_seconds() - used,
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "boxes": boxes,
}
with open(out, "w", encoding="utf-8") as file:
    json.dump(result, file)
