"""WebVTT and SubRip: who is on screen, a cue for each stretch in which that does not change."""

from __future__ import annotations

import heapq
import html
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TextIO

from visage.export.film import Appearance, Film

__all__ = ["Moment", "moments", "write_srt", "write_webvtt"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch with the same people on screen; frames are inclusive, `end` is when the next frame begins."""

    labels: tuple[str, ...]
    first_frame: int
    last_frame: int
    start: Fraction
    end: Fraction


def moments(appearances: list[Appearance]) -> Iterator[Moment]:
    """Yield the stretches between two changes of who is on screen, those without anyone left out."""
    times = {one.first_frame: one.start for one in appearances}
    for one in appearances:
        times.setdefault(one.last_frame + 1, one.end)
    present: list[tuple[int, str]] = []  # a heap by last frame
    waiting = iter(appearances)
    following = next(waiting, None)
    for first, after in itertools.pairwise(sorted(times)):
        while following is not None and following.first_frame <= first:
            heapq.heappush(present, (following.last_frame, following.label))
            following = next(waiting, None)
        while present and present[0][0] < first:
            heapq.heappop(present)
        if present:
            labels = tuple(sorted({label for _, label in present}))
            yield Moment(labels, first, after - 1, times[first], times[after])


def write_webvtt(film: Film, out: TextIO) -> None:
    """Write cues whose identifier is the frames that they cover. Raises SourceError for results without tracks."""
    out.write("WEBVTT\n")
    for moment in moments(film.appearances):
        names = html.escape(", ".join(moment.labels), quote=False).replace("\n", " ").replace("\r", " ")
        times = f"{_clock(moment.start, '.')} --> {_clock(moment.end, '.')}"
        out.write(f"\nframes {moment.first_frame}-{moment.last_frame}\n{times}\n{names}\n")


def write_srt(film: Film, out: TextIO) -> None:
    """Write numbered cues. Raises SourceError for results without tracks."""
    for number, moment in enumerate(moments(film.appearances), 1):
        names = ", ".join(moment.labels).replace("\n", " ").replace("\r", " ")
        out.write(f"{number}\n{_clock(moment.start, ',')} --> {_clock(moment.end, ',')}\n{names}\n\n")


def _clock(seconds: Fraction, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{milliseconds:03}"
