"""An RTSP server for tests: started, stopped and started again at the same port."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

__all__ = ["RtspServer", "rtsp_missing"]

SCRIPT = Path(__file__).with_name("rtsp_process.py")
PYTHON = "/usr/bin/python3"
PROBE = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; Gst.init(None); "
    "assert all(map(Gst.ElementFactory.find, ('x264enc', 'rtph264pay', 'jpegdec', 'imagefreeze')))"
)


def rtsp_missing() -> str:
    """What to install; empty where everything is there."""
    try:
        found = subprocess.run([PYTHON, "-c", PROBE], capture_output=True, check=False, timeout=60)
    except OSError:
        return f"needs {PYTHON}"
    if found.returncode:
        return "needs GStreamer's RTSP server (apt install gir1.2-gst-rtsp-server-1.0 and the plugins; see .ci/run)"
    return ""


class RtspServer:
    """One camera at `url`."""

    def __init__(self, *, width: int = 640, height: int = 360, fps: int = 10, picture: Path | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"
        self.size = (width, height)
        self._more = [str(fps), *([str(picture)] if picture else [])]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns once it listens; pictures have its `size`, which may have been changed meanwhile."""
        self._process = subprocess.Popen(
            [PYTHON, str(SCRIPT), str(self.port), *map(str, self.size), *self._more],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line == "ready\n", f"the RTSP server said {line!r}"

    def stop(self) -> None:
        """Kill it, as a power cut would. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
