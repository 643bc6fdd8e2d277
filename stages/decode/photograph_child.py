"""Reads photographs for another process, within a memory limit: a hostile file can harm this process only.

Standard input has a request after another: a line of JSON with `size`, `max_pixels`, `kept_pixels` and `seconds`, then
so many bytes of a file. To each the answer on standard output is a line of JSON, then the pixels: uint8, BGR. The line
has either `height` and `width` or `refused`, a sentence. A process that ends without an answer could not read the file.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from typing import BinaryIO

import pillow_heif.options

from stages.decode.photograph import Photograph
from stages.errors import SourceError

__all__ = ["limit_memory", "serve"]


def limit_memory(growth_bytes: int) -> None:
    """Let this process's memory grow by at most as much from now on; what doesn't fit raises MemoryError."""
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + growth_bytes, now + growth_bytes))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the stream ends.

    A request that takes longer than its seconds ends the process (SIGALRM).
    """
    while line := requests.readline():
        wanted = json.loads(line)
        signal.alarm(int(wanted["seconds"]) + 1)  # ends this process, should the other one be gone by then
        _answer(requests.read(wanted["size"]), wanted["max_pixels"], wanted["kept_pixels"], answers)
        answers.flush()
        signal.alarm(0)


def _answer(content: bytes, max_pixels: int, kept_pixels: int, answers: BinaryIO) -> None:
    try:
        with Photograph(content, max_pixels=max_pixels, kept_pixels=kept_pixels) as photograph:
            image, _ = next(photograph.frames())
    except SourceError as refusal:
        _write_line(answers, {"refused": str(refusal)})
    except MemoryError:
        _write_line(answers, {"refused": "the picture takes too much memory to be read; make it smaller"})
    else:
        _write_line(answers, {"height": image.shape[0], "width": image.shape[1]})
        answers.write(image.data)


def _write_line(answers: BinaryIO, answer: dict[str, str | int]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    pillow_heif.options.DECODE_THREADS = 1
    limit_memory(int(sys.argv[1]))
    serve(sys.stdin.buffer, sys.stdout.buffer)
