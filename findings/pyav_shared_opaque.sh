#!/usr/bin/env bash
# One would guess: what a packet carries in `packet.opaque`, with copy_opaque, arrives in its frame's `opaque`, whatever
# other packets carry.
# What is so: PyAV keeps the object under its address, once for all streams of the process, and forgets it when the
# first packet or frame that carries it is freed. Small integers are one object each in CPython: two decoders that
# number their packets lose each other's numbers, and frames arrive with None. An object made for each packet arrives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
cd "$folder"

python3 -m venv venv
venv/bin/python -m pip install --quiet --only-binary :all: av==18.1.0 numpy==2.0.2

cat >check.py <<'PY'
import platform

import av
import numpy

FRAMES = 100

with av.open("film.mp4", "w") as container:
    video = container.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
    for number in range(FRAMES):
        container.mux(video.encode(av.VideoFrame.from_ndarray(numpy.full((48, 64, 3), number, numpy.uint8), "bgr24")))
    container.mux(video.encode())


class Carried:
    def __init__(self, number):
        self.number = number


def carried(wrap):
    """What the frames of one decoder carry, in their order."""
    with av.open("film.mp4") as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        context.copy_opaque = True
        context.thread_count = 4
        for number, packet in enumerate(container.demux(stream)):
            packet.opaque = wrap(number)
            for frame in context.decode(packet):
                yield frame.opaque is not None


print("Python", platform.python_version(), "PyAV", av.__version__)
lost = {}
for name, wrap in (("the number itself", lambda number: number), ("an object of its own", Carried)):
    first, second = carried(wrap), carried(wrap)
    next(first), next(first)  # ahead of the other: it frees each frame before the other asks for its own
    lost[name] = sum(not arrived for pair in zip(first, second) for arrived in pair)
    print(f"two decoders in turns, carrying {name}: {lost[name]} frames without")
if not lost["the number itself"] or lost["an object of its own"]:
    raise SystemExit("CHANGED: what packets share arrives")
print("AS FOUND")
PY
venv/bin/python check.py

# Seen (x86-64 Linux):
# Python 3.11.7 PyAV 18.1.0
# two decoders in turns, carrying the number itself: 2 frames without
# two decoders in turns, carrying an object of its own: 0 frames without
