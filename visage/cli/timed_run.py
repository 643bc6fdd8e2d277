"""`visage run` with a stopwatch, for the benchmark: the whole command except the parsing of its arguments.

    python -c "from visage.cli.timed_run import main; main()"  <job as JSON on standard input

The stopwatch is the last sink of each source, wherever that is read: a frame that gets there has been written.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import visage.cli.main  # noqa: F401  # the command imports it, and its time counts
from stages.frames import Observation
from stages.sink.base import Sink
from stages.sources import SourceEnded, VideoInfo
from visage.cli.outputs import OutputOptions
from visage.cli.run_session import Session
from visage.config import Settings
from visage.runtime.job import JobPlace

__all__ = ["Stopwatch", "main"]


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Records for each source when its first and last frames were written. Implements `JobOutputs`.

    Attributes:
        folder: gets a JSON file for each source, with times in seconds.
    """

    folder: Path
    needs_pixels: bool = False

    def sinks_for(self, info: VideoInfo, place: JobPlace) -> list[Sink]:
        """Return the sink that records the times; the pipeline opens and closes it."""
        return [_StopwatchSink(self.folder / f"{info.source_id}.json")]


class _StopwatchSink(Sink):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._first: float | None = None
        self._last = 0.0
        self._faces = 0

    def write(self, observation: Observation) -> None:
        self._last = time.monotonic()
        self._first = self._first or self._last
        self._faces += len(observation.faces)

    def close(self, ended: SourceEnded) -> None:
        times = {"first": self._first, "last": self._last, "frames": ended.frames_decoded, "faces": self._faces}
        self._path.write_text(json.dumps(times))


def main() -> None:
    """Run the job on standard input, JSON with `settings`, `sources`, `dst` and `times`.

    Exits with the run's exit status: raises SystemExit.
    """
    job = json.load(sys.stdin)
    outputs = OutputOptions(dst=Path(job["dst"]))
    session = Session(Settings(**job["settings"]), outputs, quiet=True, extra=(Stopwatch(Path(job["times"])),))
    sys.exit(session.run(job["sources"]))
