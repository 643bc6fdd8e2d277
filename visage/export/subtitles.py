"""WebVTT (W3C) and SubRip: who is on screen, as subtitles that any player shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from visage.export.results import Appearance, FilmResults

__all__ = ["write_srt", "write_vtt"]

Cue = tuple[float, float, list[str]]
"""Start, end, in seconds, and the names."""


def write_vtt(results: FilmResults, file: TextIO) -> None:
    """Write WebVTT: a cue for every change of who is on screen."""
    file.write("WEBVTT\n")
    for start, end, names in _cues(results.appearances()):
        text = "\n".join(name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for name in names)
        file.write(f"\n{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n")


def write_srt(results: FilmResults, file: TextIO) -> None:
    """Write SubRip: a cue for every change of who is on screen."""
    for number, (start, end, names) in enumerate(_cues(results.appearances()), 1):
        file.write(f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n" + "\n".join(names) + "\n\n")


def _cues(appearances: list[Appearance]) -> Iterator[Cue]:
    """Yield the stretches in which the same people are on screen; those without anybody are left out."""
    changes = sorted(
        [(one.start_seconds, 1, one.label) for one in appearances]
        + [(one.end_seconds, -1, one.label) for one in appearances]
    )
    present: dict[str, int] = {}
    since = 0.0
    for seconds, step, label in changes:
        if _milliseconds(seconds) > _milliseconds(since):
            if present:
                yield since, seconds, sorted(present)
            since = seconds
        present[label] = present.get(label, 0) + step
        if not present[label]:
            del present[label]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _clock(seconds: float, point: str) -> str:
    total = _milliseconds(seconds)
    return f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}{point}{total % 1000:03}"
