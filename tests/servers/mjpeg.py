"""A camera that sends one JPEG after another over HTTP, each when it is taken."""

from __future__ import annotations

import contextlib
import socket
import threading

import cv2

from tests.clips import picture

__all__ = ["MjpegCamera"]

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


class MjpegCamera:
    """Serves one connection with `count` pictures, `interval_seconds` apart, then closes it."""

    def __init__(self, *, count: int, interval_seconds: float) -> None:
        self._count = count
        self._interval_seconds = interval_seconds
        self._is_over = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/video"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> MjpegCamera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):  # wakes `accept` where no client came
            self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # it was closed, or the client has given up
            connection, _ = self._server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(HEAD)
                for number in range(self._count):
                    coded = cv2.imencode(".jpg", picture(number))[1].tobytes()
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(coded)}\r\n\r\n"
                    connection.sendall(head.encode() + coded + b"\r\n")
                    if self._is_over.wait(self._interval_seconds):
                        return
