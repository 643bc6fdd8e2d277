"""An RTSP server of one endless camera at rtsp://127.0.0.1:PORT/cam; any number may watch. Run by the system's Python.

    /usr/bin/python3 rtsp_process.py PORT WIDTH HEIGHT FPS [PICTURE.jpg]

Shows the picture, or bars and a moving ball. Says "ready" on standard output once it listens.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

port, width, height, fps, *picture = sys.argv[1:]
Gst.init(None)
shown = (
    f"filesrc location={picture[0]} ! jpegdec ! imagefreeze is-live=true" if picture else "videotestsrc is-live=true"
)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    f"( {shown} ! videoconvert ! videoscale add-borders=true ! "
    f"video/x-raw,format=I420,width={width},height={height},framerate={fps}/1,pixel-aspect-ratio=1/1 ! "
    f"x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} threads=1 ! "
    "rtph264pay name=pay0 pt=96 config-interval=1 )"
)
factory.set_shared(True)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
server.get_mount_points().add_factory("/cam", factory)
if not server.attach(None):
    sys.exit("the port is taken")
print("ready", flush=True)
GLib.MainLoop().run()
