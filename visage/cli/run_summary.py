"""What is said at the end of a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from visage.runtime.run import Run
from visage.runtime.source import Outcome
from visage.runtime.state import SourceState

__all__ = ["summarise", "tell_of_empty_spans"]


def tell_of_empty_spans(outcomes: Mapping[str, Outcome]) -> None:
    """Name on stderr the sources of which --start and --end, in seconds, leave nothing."""
    for outcome in outcomes.values():
        if outcome.state is SourceState.DONE and not outcome.frames_decoded:
            print(f"visage: {outcome.source_id}: it has no frames between --start and --end", file=sys.stderr)


def summarise(run: Run, seconds: float) -> None:
    """Print a table of the sources of a run that took so many seconds."""
    sources = run.statistics().sources
    header = ("source", "frames", "looked at", "faces", "tracks", "fps", "")
    rows = [
        (
            source.source_id,
            f"{source.frames_decoded:,}",
            f"{source.frames_looked_at:,}",
            f"{source.faces:,}",
            f"{source.tracks.tracks:,}",
            f"{source.fps:.1f}",
            "" if source.state is SourceState.DONE else source.state.value,
        )
        for source in sources
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        name, *numbers = (
            cell.ljust(width) if column in (0, len(widths) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([name, *numbers]).rstrip())
    if len(sources) > 1:
        frames = sum(source.frames_decoded for source in sources)
        print(f"{len(sources)} sources in {seconds:.1f} s, {frames / seconds:.1f} frames/s")
