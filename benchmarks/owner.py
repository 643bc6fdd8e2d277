"""What the process that owns a fleet spends on a frame, and whether its memory grows with the number of films.

    python -m benchmarks.owner [--films 64] [--frames 2000] [--workers 4] [--to folder|csv|parquet]

Decoders and networks are scripted: each worker makes two tracked, embedded faces a frame as fast as it can, so that the
owner is what is measured, with the protocol, the outputs and the joining of a real run. Run it with twice the films:
the owner's resident memory should stay.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil

from stages.frames import Faces, Frame, Observation
from stages.sink.destination import destination_for
from stages.sink.metadata import RunDescription
from stages.sources import VideoInfo
from visage.cli.job_outputs import FileOutputs
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.fleet import Fleet, Task
from visage.fleet.worker import Assembly, OpenJobSinks, Worker
from visage.head_start import HeadStart
from visage.runtime import Outcome, Pipeline, PipelineLimits

DIMENSION = 512
TRACK_FRAMES = 100


class NoPicture:
    """A picture without pixels."""

    width, height, pixel_aspect = 1920, 1080, 1.0

    def release(self) -> None:
        """Nothing is held."""

    def to_bgr(self, picture: object, max_width: int | None = None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Raise ValueError."""
        raise ValueError("there is no picture")


class MadeSource:
    """Delivers as many frames as its address says, at once. Implements `stages.contract.FrameSource`."""

    def __init__(self, spec: SourceSpec) -> None:
        self.frames_decoded = self.frames_dropped = 0
        self._spec = spec
        self._count = int(spec.uri)

    def open(self) -> VideoInfo:
        """Describe a film of 25 frames a second."""
        return VideoInfo(self._spec.source_id, self._spec.source_id, 1920, 1080, fps=25.0, frame_count=self._count)

    def frames(self) -> Iterator[Frame]:
        """Yield them."""
        for index in range(self._count):
            self.frames_decoded += 1
            yield Frame(self._spec.source_id, index, index / 25, NoPicture(), time.time())

    def interrupt(self) -> None:
        """It is over soon."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class MadeFaces:
    """Two tracked and embedded faces in every frame. Implements `stages.contract.Stage`."""

    name: str = "detect"

    def open(self) -> None:
        """Make the faces once."""
        rng = np.random.default_rng(0)
        embeddings = rng.standard_normal((2, DIMENSION), np.float32)
        self._faces = Faces(
            boxes_xyxy=rng.random((2, 4), np.float32),
            scores=rng.random(2, np.float32),
            landmarks=rng.random((2, 5, 2), np.float32),
            embeddings=embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
            quality=rng.random(2, np.float32),
            propagated=np.zeros(2, bool),
        )

    def process(self, batch: Sequence[Frame]) -> list[Observation]:
        """Return the same faces for all frames, in tracks of a hundred."""
        seen = []
        for frame in batch:
            first, is_new = 2 * (frame.index // TRACK_FRAMES) + 1, frame.index % TRACK_FRAMES == 0
            faces = replace(self._faces, track_ids=np.array([first, first + 1]))
            seen.append(Observation(frame, faces, (first - 2, first - 1) if is_new and first > 1 else ()))
        return seen

    def end_source(self, source_id: str) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is held."""


def assemble(
    task: Task, *, open_sinks: OpenJobSinks, people: object, on_ended: Callable[[Outcome], None], on_build: object
) -> Assembly:
    """The scripted pipeline of a worker."""
    pipeline = Pipeline(
        detect=MadeFaces(),
        embed=None,
        open_sinks=lambda info: open_sinks(info, NoPicture()),
        limits=PipelineLimits(detect_batch=16, queue_capacity=64, concurrent_sources=task.concurrent),
        on_ended=on_ended,
    )
    return Assembly(pipeline, MadeSource)


def main() -> None:
    """Serve the owner, in a worker; otherwise measure."""
    if len(sys.argv) == 2 and sys.argv[1].isdigit():  # as `visage.fleet.process` calls its entry
        Worker(Connection(int(sys.argv[1])), assemble).run()
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=64)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--to", choices=("folder", "csv", "parquet"), default="folder")
    chosen = parser.parse_args()
    sources = [SourceSpec(uri=str(chosen.frames), source_id=f"film-{number}") for number in range(chosen.films)]
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / ("out" if chosen.to == "folder" else f"all.{chosen.to}")
        run = RunDescription("made", embedder="made", embedding_dimension=DIMENSION, tracks=True)
        destination = destination_for(target, run, source_ids=[spec.source_id for spec in sources])
        outputs = FileOutputs(tables=destination.begin(), videos={}, audio_uris={})
        task = Task(Settings(device="cpu"), concurrent=2, log_level=30, outputs=(outputs,))
        fleet = Fleet(
            [task] * chosen.workers,
            sources,
            launch=HeadStart(entry="benchmarks.owner").launch,
            open_sinks=destination.shared_sinks,
        )
        process = psutil.Process()
        spent, began, resident = time.process_time(), time.monotonic(), process.memory_info().rss
        with fleet:
            fleet.start()
            fleet.wait()
            failed = [outcome.error for outcome in fleet.outcomes.values() if outcome.error]
        destination.close()
        seconds, spent = time.monotonic() - began, time.process_time() - spent
        grown = process.memory_info().rss - resident
    if fleet.failure or failed:
        sys.exit(f"it failed: {fleet.failure or failed[0]}")
    frames = chosen.films * chosen.frames
    print(
        f"{chosen.films} films, {frames} frames to {chosen.to} in {seconds:.1f} s ({frames / seconds:.0f} fps): the "
        f"owner spent {1e6 * spent / frames:.2f} us of CPU a frame, and grew by {grown / 2**20:.1f} MiB"
    )


if __name__ == "__main__":
    main()
