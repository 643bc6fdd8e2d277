"""Decodes uploaded pictures in a process of its own, whose memory and time are bounded.

A small file can unfold into gigabytes, and no header says so reliably: compressed text, colour profiles and tables,
animation canvases, a size stated late. What takes more than the limits is refused; where that ends the process, the
next picture gets a fresh one. It starts with the first picture and stays, for importing Pillow takes longer than most
pictures do.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading

import numpy as np
from numpy.typing import NDArray

from stages.closing import Closing
from stages.errors import NotAVideo, SourceUnreadable

__all__ = ["PictureProcess"]

MEMORY_BYTES = 136 * 2**20
"""By which the process that reads grows at most, from some 45 MB: 12 megapixels of HEIC take 120 MB, of PNG 117 MB."""

TIMEOUT_SECONDS = 10.0
MAX_PIXELS = 50_000_000
KEPT_PIXELS = 6_000_000
"""Larger pictures are scaled down: this process keeps few copies of so many pixels, 18 MB each."""

CODE = "import sys; sys.path[:] = filter(None, sys.path); import runpy; runpy.run_module({!r}, run_name='__main__')"


class PictureProcess(Closing):
    """Use as a context manager, or close it. From any thread; pictures are read one after another."""

    def __init__(
        self,
        *,
        memory_bytes: int = MEMORY_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_pixels: int = MAX_PIXELS,
        kept_pixels: int = KEPT_PIXELS,
    ) -> None:
        """
        Args:
            memory_bytes: by which the process may grow for a picture.
            timeout_seconds: for one picture, the start of the process included.
            max_pixels: of a picture that is read at all.
            kept_pixels: of what comes out of it.
        """
        self._memory_bytes = memory_bytes
        self._timeout_seconds = timeout_seconds
        self._wanted = {"max_pixels": max_pixels, "kept_pixels": kept_pixels, "seconds": timeout_seconds}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        process = self._process
        return f"<PictureProcess {'not started' if process is None else process.pid}>"

    @property
    def process_id(self) -> int | None:
        """The process id of the child; None if none is running."""
        return None if self._process is None else self._process.pid

    def read(self, content: bytes) -> NDArray[np.uint8]:
        """The upright picture, uint8 (H, W, 3), BGR.

        Raises NotAVideo for what can't be read within the limits, SourceUnreadable where no process can be started.
        """
        with self._lock:
            process = self._running()
            has_expired = threading.Event()

            def expire() -> None:
                has_expired.set()
                process.kill()

            timer = threading.Timer(self._timeout_seconds, expire)
            timer.start()
            try:
                return _exchange(process, {**self._wanted, "size": len(content)}, content)
            except NotAVideo:
                raise
            except (OSError, EOFError) as exc:
                self._end()
                if has_expired.is_set():
                    raise NotAVideo(f"the picture takes longer than {self._timeout_seconds:g} s to be read") from exc
                raise NotAVideo("the picture can't be read: it is damaged, or takes too much memory") from exc
            except BaseException:
                self._end()  # half an answer would be taken for the next picture's
                raise
            finally:
                timer.cancel()
                timer.join()

    def close(self) -> None:
        """End the process. Idempotent; another picture would start a new one."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            # It is to find the modules that this process has found, and none that happen to lie in the current folder;
            # each of glibc's arenas would reserve 64 MB of what it may have.
            path = os.pathsep.join(path for path in sys.path if path)
            environment = {**os.environ, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", CODE.format("stages.decode.photograph_child"), str(self._memory_bytes)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is the owner's to hear
                )
            except OSError as exc:
                raise SourceUnreadable(f"no process to read pictures with can be started: {exc.strerror}") from exc
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was to be sent to it
                    pipe.close()
        process.wait()


def _exchange(process: subprocess.Popen[bytes], request: dict[str, float], content: bytes) -> NDArray[np.uint8]:
    """What the process makes of a picture. Raises NotAVideo; OSError or EOFError where it ends without an answer."""
    requests, answers = process.stdin, process.stdout
    assert requests is not None
    assert answers is not None
    requests.write(json.dumps(request).encode() + b"\n")
    requests.write(content)
    requests.flush()
    line = answers.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    answer = json.loads(line)
    if "refused" in answer:
        raise NotAVideo(answer["refused"])
    height, width = answer["height"], answer["width"]
    pixels = answers.read(3 * height * width)
    if len(pixels) < 3 * height * width:
        raise EOFError
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
