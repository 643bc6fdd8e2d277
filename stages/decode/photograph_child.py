"""Reads photographs for another process, within a memory limit: what strangers send can then harm this one alone.

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
    """Answer requests until there are no more."""
    while line := requests.readline():
        wanted = json.loads(line)
        signal.alarm(int(wanted["seconds"]) + 1)  # ends this process, should the other one be gone by then
        pixels = b""
        try:
            content = requests.read(wanted["size"])
            with Photograph(content, max_pixels=wanted["max_pixels"], kept_pixels=wanted["kept_pixels"]) as photograph:
                del content
                image, _ = next(photograph.frames())
            answer = {"height": image.shape[0], "width": image.shape[1]}
            pixels = image.data.cast("B")
        except SourceError as refusal:
            answer = {"refused": str(refusal)}
        except MemoryError:
            answer = {"refused": "the picture takes too much memory to be read; make it smaller"}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.write(pixels)
        answers.flush()
        signal.alarm(0)
        image = pixels = None  # not to be there beside the next picture


if __name__ == "__main__":
    pillow_heif.options.DECODE_THREADS = 1
    limit_memory(int(sys.argv[1]))
    serve(sys.stdin.buffer, sys.stdout.buffer)
