"""The real command, from the start of its process to its end: what a person waits for, start-up and tail included."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from visage.bench.child import run_child
from visage.config import Settings

__all__ = ["COLUMNS", "CommandRun", "command_record", "command_row", "measure_command"]

ENTRY = "from visage.cli.timed_run import main; main()"

COLUMNS = ("the real command", "fps by the clock", "first row s", "fps between", "tail s", "of the limit")


@dataclass(frozen=True, slots=True)
class CommandRun:
    """One run of the command, with default options and outputs on disk.

    Attributes:
        title: what was run.
        films, frames, faces: read and found, all films together.
        seconds: from the start of the process to its end.
        first_row_seconds: from the start of the process until the first frame was written.
        between_seconds: from then until the last frame was written.
        limit_fps: what the processors or the card's decoders could do at most.
    """

    title: str
    films: int
    frames: int
    faces: int
    seconds: float
    first_row_seconds: float
    between_seconds: float
    limit_fps: float | None = None

    @property
    def fps(self) -> float:
        """Frames a second, by the clock of whoever waits for the results."""
        return self.frames / self.seconds

    @property
    def between_fps(self) -> float:
        """Frames a second, between the first one written and the last."""
        return self.frames / self.between_seconds if self.between_seconds else 0.0

    @property
    def tail_seconds(self) -> float:
        """From the last frame written to the end of the process."""
        return self.seconds - self.first_row_seconds - self.between_seconds


def measure_command(
    settings: Settings, clip: Path, *, films: int, dst: str, title: str, limit_fps: float | None = None
) -> CommandRun:
    """Run `visage run` over so many copies of a clip. Raises MeasurementFailed.

    Args:
        settings: of which the command's default options are kept for what they don't say: tracking is on.
        dst: name of the destination, a folder or a table.
        limit_fps: goes into the result.
    """
    with tempfile.TemporaryDirectory(prefix="visage-bench-") as scratch:
        folder = Path(scratch)
        (folder / "times").mkdir()
        copies = [folder / f"film-{number}{clip.suffix}" for number in range(films)]
        for copy in copies:
            copy.symlink_to(clip.absolute())
        job = {
            "settings": settings.model_copy(update={"track": True}).model_dump(mode="json"),
            "sources": [str(copy) for copy in copies],
            "dst": str(folder / dst),
            "times": str(folder / "times"),
        }
        began = time.monotonic()
        run_child(title, ["-c", ENTRY], job)
        ended = time.monotonic()
        times = [json.loads(path.read_text()) for path in sorted((folder / "times").iterdir())]
    first = min(one["first"] for one in times)
    return CommandRun(
        title=title,
        films=films,
        frames=sum(one["frames"] for one in times),
        faces=sum(one["faces"] for one in times),
        seconds=ended - began,
        first_row_seconds=first - began,
        between_seconds=max(one["last"] for one in times) - first,
        limit_fps=limit_fps,
    )


def command_record(run: CommandRun) -> dict[str, Any]:
    """Return everything, fit for JSON."""
    derived = {"fps": run.fps, "between_fps": run.between_fps, "tail_seconds": run.tail_seconds}
    return {**asdict(run), **derived}


def command_row(run: dict[str, Any]) -> Sequence[str]:
    """Return the cells of a table with `COLUMNS`, from a record."""
    limit = run["limit_fps"]
    return (
        run["title"],
        f"{run['fps']:.1f}",
        f"{run['first_row_seconds']:.2f}",
        f"{run['between_fps']:.1f}",
        f"{run['tail_seconds']:.2f}",
        "-" if limit is None else f"{run['fps'] / limit:.2f}",
    )
