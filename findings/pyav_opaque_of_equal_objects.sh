#!/usr/bin/env bash
# One would guess: what is attached to a packet (`packet.opaque`) comes out with its picture (`frame.opaque`), whatever
# other decoders of the process do.
# What is so: PyAV keeps it by its address and forgets it when the first packet that carries it goes. Equal small ints
# are one object in CPython, so decoders that count their packets at the same time lose each other's numbers: the
# picture's opaque is None. An object of its own for each packet is safe.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
cd "$folder"

python3 -m venv venv
venv/bin/python -m pip install --quiet --only-binary :all: av==17.1.0 numpy==2.0.2

cat >check.py <<'PY'
import platform
import threading

import av
import numpy as np

FILMS, PICTURES, ROUNDS = 4, 60, 30

with av.open("clip.mp4", "w") as container:
    video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
    video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
    for number in range(PICTURES):
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 4 * number, np.uint8), "rgb24")
        container.mux(video.encode(picture))
    container.mux(video.encode())


class Own:
    def __init__(self, number):
        self.number = number


def lost(mark):
    """How many pictures of films that are decoded at the same time come without what was attached to their packets."""
    count = [0] * FILMS
    begin = threading.Barrier(FILMS)

    def decode(film):
        begin.wait()
        for _ in range(ROUNDS):
            with av.open("clip.mp4") as container:
                context = container.streams.video[0].codec_context
                context.copy_opaque = True
                for number, packet in enumerate(container.demux(video=0)):
                    packet.opaque = mark(number)
                    count[film] += sum(frame.opaque is None for frame in packet.decode())

    threads = [threading.Thread(target=decode, args=(film,)) for film in range(FILMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(count)


print("Python", platform.python_version(), "PyAV", av.__version__, "libavcodec", av.library_versions["libavcodec"])
ints, own = lost(int), lost(Own)
print(f"of {FILMS * PICTURES * ROUNDS} pictures {ints} lost their int, {own} an object of their own")
if own:
    raise SystemExit("CHANGED: an object of its own is lost as well")
if not ints:
    raise SystemExit("CHANGED: equal ints are no longer lost")
print("AS FOUND")
PY
venv/bin/python check.py

# Seen (x86-64 Linux):
# Python 3.11.7 PyAV 17.1.0 libavcodec (62, 28, 101)
# of 7200 pictures 47 lost their int, 0 an object of their own
