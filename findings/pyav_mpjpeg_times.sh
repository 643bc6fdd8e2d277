#!/usr/bin/env bash
# One would guess: the time stamps of a multipart MJPEG stream over HTTP (many cameras' simplest stream) say when the
# pictures came, as those of an RTSP stream do.
# What is so: the format carries no time, and the demuxer numbers the pictures at 25 a second however slowly they
# come: a picture every 0.25 s has stamps 0.04 s apart. Who needs the time has to take it on arrival.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
cd "$folder"

python3 -m venv venv
venv/bin/python -m pip install --quiet --only-binary :all: av==17.1.0 numpy==2.0.2 pillow==11.3.0

cat >check.py <<'PY'
import io
import platform
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
from PIL import Image

PICTURES = 12
PERIOD = 0.25


def jpeg(number):
    file = io.BytesIO()
    Image.new("RGB", (160, 120), (20 * number, 128, 128)).save(file, "JPEG")
    return file.getvalue()


class Camera(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        for number in range(PICTURES):
            data = jpeg(number)
            self.wfile.write(b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
            self.wfile.write(data + b"\r\n")
            self.wfile.flush()
            time.sleep(PERIOD)  # the camera's own pace, which is what is measured

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
threading.Thread(target=server.serve_forever, daemon=True).start()
arrived, stamped = [], []
with av.open(f"http://127.0.0.1:{server.server_address[1]}/", format="mpjpeg", timeout=20) as container:
    for packet in container.demux(video=0):
        if packet.pts is not None:
            arrived.append(time.monotonic())
            stamped.append(float(packet.pts * packet.time_base))
        if len(stamped) == PICTURES:
            break  # the camera hangs up here
server.shutdown()

print("Python", platform.python_version(), "PyAV", av.__version__, "libavformat", av.library_versions["libavformat"])
print("stamps:", " ".join(f"{stamp:.2f}" for stamp in stamped))
between_stamps = (stamped[-1] - stamped[0]) / (len(stamped) - 1)
# The first pictures come at once, from what was read to find the stream's format.
between_arrivals = (arrived[-1] - arrived[len(arrived) // 2]) / (len(arrived) - 1 - len(arrived) // 2)
print(f"{len(stamped)} pictures, {between_arrivals:.2f} s between arrivals, {between_stamps:.3f} s between stamps")
if abs(between_stamps - 0.04) > 0.001 or between_arrivals < 0.2:
    raise SystemExit("CHANGED: the stamps are no longer 25 a second")
print("AS FOUND")
PY
venv/bin/python check.py

# Seen (x86-64 Linux):
# Python 3.11.7 PyAV 17.1.0 libavformat (62, 12, 101)
# stamps: 0.00 0.04 0.08 0.12 0.16 0.20 0.24 0.28 0.32 0.36 0.40 0.44
# 12 pictures, 0.25 s between arrivals, 0.040 s between stamps
