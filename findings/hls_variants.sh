#!/usr/bin/env bash
# One would guess: who opens an HLS master playlist and demuxes one video stream downloads that variant's segments
# only.
# What is so: each variant is a stream of the container, and FFmpeg's demuxer downloads the segments of all of them,
# whichever stream's packets are asked for: with three variants, three times the requests. It stops only when the
# other streams' discard is set to Discard.all after opening; the first segment of each, read to find the streams'
# formats, is downloaded all the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
cd "$folder"

python3 -m venv venv
venv/bin/python -m pip install --quiet --only-binary :all: av==18.1.0 numpy==2.0.2

cat >check.py <<'PY'
import collections
import functools
import platform
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy
from av.stream import Discard

FPS = 10
SEGMENT_SECONDS = 4
SEGMENTS = 8
SIZES = ((160, 90), (320, 180), (640, 360))

master = "#EXTM3U\n"
for number, (width, height) in enumerate(SIZES):
    options = {
        "hls_time": str(SEGMENT_SECONDS),
        "hls_list_size": "0",
        "hls_playlist_type": "vod",
        "hls_segment_filename": f"variant{number}-%03d.ts",
    }
    with av.open(f"variant{number}.m3u8", "w", format="hls", options=options) as container:
        video = container.add_stream("mpeg2video", rate=FPS, width=width, height=height, pix_fmt="yuv420p")
        video.codec_context.gop_size = FPS * SEGMENT_SECONDS
        for index in range(FPS * SEGMENT_SECONDS * SEGMENTS):
            picture = numpy.full((height, width, 3), index % 256, numpy.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode())
    master += f"#EXT-X-STREAM-INF:BANDWIDTH={width * 1000},RESOLUTION={width}x{height}\nvariant{number}.m3u8\n"
with open("master.m3u8", "w") as file:
    file.write(master)

fetched = []


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        if self.path.endswith(".ts"):
            fetched.append(self.path.split("-")[0].lstrip("/"))


server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory="."))
threading.Thread(target=server.serve_forever, daemon=True).start()


def segments_of_each(*, discard):
    """Demux the largest variant to its end; return its packets, and each variant's segments that were asked for."""
    fetched.clear()
    with av.open(f"http://127.0.0.1:{server.server_address[1]}/master.m3u8", timeout=20) as container:
        wanted = max(container.streams.video, key=lambda stream: stream.width)
        if discard:
            for stream in container.streams:
                if stream.index != wanted.index:
                    stream.discard = Discard.all
        packets = sum(packet.size > 0 for packet in container.demux(wanted))
    counts = collections.Counter(fetched)
    return packets, [counts[f"variant{number}"] for number in range(len(SIZES))]


print("Python", platform.python_version(), "PyAV", av.__version__, "libavformat", av.library_versions["libavformat"])
changed = False
for discard in (False, True):
    packets, counts = segments_of_each(discard=discard)
    print(f"others' discard {'set' if discard else 'as it is'}: {packets} packets of the largest variant, "
          f"segments asked for of each: {counts} of {SEGMENTS}")
    changed |= counts[2] < SEGMENTS or any((count < SEGMENTS) != discard for count in counts[:2])
server.shutdown()
if changed:
    raise SystemExit("CHANGED: other variants' segments are downloaded in another way")
print("AS FOUND")
PY
venv/bin/python check.py

# Seen (x86-64 Linux):
# Python 3.11.7 PyAV 18.1.0 libavformat (62, 12, 102)
# others' discard as it is: 320 packets of the largest variant, segments asked for of each: [8, 8, 8] of 8
# others' discard set: 320 packets of the largest variant, segments asked for of each: [1, 1, 8] of 8
