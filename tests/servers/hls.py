"""A recorded HLS stream with a master playlist of several variants, over HTTP."""

from __future__ import annotations

import threading
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av

from tests.clips import picture

__all__ = ["HlsServer"]

FPS = 10
SEGMENT_SECONDS = 4
SIZES = ((160, 90), (320, 180), (80, 46))


class HlsServer:
    """Serves `segments` segments of four seconds in three sizes, the middle one the largest.

    Attributes:
        fetched: paths that were asked for, in order.
    """

    def __init__(self, folder: Path, *, segments: int) -> None:
        self.fetched: list[str] = []
        master = "#EXTM3U\n"
        for number, size in enumerate(SIZES):
            _write_variant(folder / f"v{number}.m3u8", size, segments)
            width, height = size
            master += f"#EXT-X-STREAM-INF:BANDWIDTH={width * 1000},RESOLUTION={width}x{height}\nv{number}.m3u8\n"
        (folder / "master.m3u8").write_text(master)

        class Handler(SimpleHTTPRequestHandler):
            def log_message(handler, *_: object) -> None:  # noqa: N805  # `self` is the server
                self.fetched.append(handler.path)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/master.m3u8"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> HlsServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _write_variant(path: Path, size: tuple[int, int], segments: int) -> None:
    options = {
        "hls_time": str(SEGMENT_SECONDS),
        "hls_list_size": "0",
        "hls_playlist_type": "vod",
        "hls_segment_filename": str(path.with_name(f"{path.stem}-%03d.ts")),
    }
    with av.open(str(path), "w", format="hls", options=options) as container:
        video = container.add_stream("mpeg2video", rate=FPS, width=size[0], height=size[1], pix_fmt="yuv420p")
        video.codec_context.gop_size = FPS * SEGMENT_SECONDS
        for number in range(segments * SEGMENT_SECONDS * FPS):
            frame = av.VideoFrame.from_ndarray(picture(number), "bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode())
