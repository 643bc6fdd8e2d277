"""How far the building of an engine has come: one moving line on a terminal, a line a minute elsewhere; standard error.

Called from the builder's reporting thread, one network at a time.
"""

from __future__ import annotations

import sys
from typing import TextIO

from stages.backends.tensorrt_builder import BuildProgress

__all__ = ["EngineBuilds"]

LINE_INTERVAL_SECONDS = 60.0
CLEAR_LINE = "\r\x1b[K"


class EngineBuilds:
    """Shows the progress of engine builds: `builds(name, progress)`. Without a terminal, one line in 60 seconds."""

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown_seconds: dict[str, float] = {}

    def __call__(self, name: str, progress: BuildProgress, /) -> None:
        how_far = "" if progress.fraction is None else f", {progress.fraction:.0%}"
        text = f"building the TensorRT engine of {name}, once for this GPU: {progress.seconds:.0f} s{how_far}"
        if self._stream.isatty():
            self._stream.write(f"{CLEAR_LINE}{text}" if progress.fraction != 1.0 else f"{CLEAR_LINE}{text}\n")
        elif name not in self._shown_seconds or (
            progress.fraction == 1.0 or progress.seconds - self._shown_seconds[name] >= LINE_INTERVAL_SECONDS
        ):
            self._shown_seconds[name] = progress.seconds
            self._stream.write(f"{text}\n")
        self._stream.flush()
