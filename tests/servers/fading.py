"""A camera whose picture dies while it goes on talking."""

from __future__ import annotations

import contextlib
import io
import itertools
import socket
import threading
from fractions import Fraction

import av
import numpy as np
from av.container import OutputContainer

from stages.decode.source_options import InputOptions
from tests.clips import picture

__all__ = ["FadingCamera"]

PICTURE_SECONDS = 1
SOUND_SECONDS = 30
LASTS_SECONDS = 9
"""Sent faster than it would be heard, as clients read ahead before they begin; less than a test waits for anything."""
STUFFING_SECONDS = 60
STUFFING = b"\x47\x1f\xff\x10" + b"\xff" * 184
"""A packet of an MPEG-TS that means nothing: FFmpeg reads on."""
FPS = 25
SAMPLE_RATE = 48000
SAMPLES = 1152
"""In a packet of sound."""


class FadingCamera:
    """Serves one connection with a second of pictures, then with sound or with nothing, until it is closed.

    Attributes:
        has_faded: a second without a picture has gone by.
        is_silent: the sound is over, too, after nine seconds; nothing goes on for a minute.
    """

    options = InputOptions(options={"analyzeduration": "100000"})
    """So that a client does not listen to five seconds of sound before it begins."""

    def __init__(self, *, has_sound: bool = True) -> None:
        self._has_sound = has_sound
        self.has_faded = threading.Event()
        self.is_silent = threading.Event()
        self._is_over = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/cam.ts"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> FadingCamera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):  # wakes `accept` where nobody came
            self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        beginning, rest, seconds = *_with_sound(), LASTS_SECONDS
        if not self._has_sound:
            beginning, rest, seconds = _without_sound(), [STUFFING] * 600, STUFFING_SECONDS
        with contextlib.suppress(OSError):  # it was closed, or the client has given up
            connection, _ = self._server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + beginning)
                for number, part in enumerate(rest):
                    if self._is_over.wait(seconds / len(rest)):
                        return
                    if number * seconds > len(rest):
                        self.has_faded.set()
                    connection.sendall(part)
                self.is_silent.set()


def _without_sound() -> bytes:
    written = io.BytesIO()
    with av.open(written, "w", format="mpegts") as container:
        _write_pictures(container)
    return written.getvalue()


def _with_sound() -> tuple[bytes, list[bytes]]:
    """An MPEG-TS: its part with pictures, then about a packet of sound at a time."""
    written = io.BytesIO()
    parts: list[int] = []
    with av.open(written, "w", format="mpegts", options={"flush_packets": "1"}) as container:
        audio = container.add_stream("mp2", rate=SAMPLE_RATE, layout="mono")
        _write_pictures(container)
        for first in range(0, SOUND_SECONDS * SAMPLE_RATE, SAMPLES):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, SAMPLES), np.int16), "s16", "mono")
            sound.sample_rate, sound.pts = SAMPLE_RATE, first
            container.mux(audio.encode(sound))
            if first > PICTURE_SECONDS * SAMPLE_RATE:
                parts.append(written.tell())
    whole = written.getvalue()
    return whole[: parts[0]], [whole[begin:end] for begin, end in itertools.pairwise(parts) if end > begin]


def _write_pictures(container: OutputContainer) -> None:
    video = container.add_stream("mpeg2video", rate=FPS, width=320, height=180, pix_fmt="yuv420p")
    for number in range(PICTURE_SECONDS * FPS):
        frame = av.VideoFrame.from_ndarray(picture(number), "bgr24")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        container.mux(video.encode(frame))
    container.mux(video.encode())
