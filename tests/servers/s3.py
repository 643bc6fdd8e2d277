"""An object store that speaks S3, in a process of its own: moto's server."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time

__all__ = ["S3Store"]

START_SECONDS = 60.0
POLL_SECONDS = 0.1


class S3Store:
    """Runs while the `with` block does; empty at its start.

    Attributes:
        url: of its endpoint.
        environment: with which s3fs finds it.
    """

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.environment = {
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "tests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "FSSPEC_S3_ENDPOINT_URL": self.url,
        }

    def __enter__(self) -> S3Store:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(self._port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return self
            time.sleep(POLL_SECONDS)
        self.__exit__()
        raise TimeoutError("moto's server did not start")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
