"""When each person was on screen, source by source, and who was with whom.

Files have their own time. Cameras have a day's: they are opened again and again, and their own time begins anew each
time. Two files of one name are told apart by their folders. Everything here takes time in proportion to the sightings
and to the pairs that share a moment, not to all pairs of people.
"""

from __future__ import annotations

import time
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from visage.people.records import Sighting

__all__ = ["Appearance", "Lane", "SourceTimeline", "clock", "seen_together", "timelines"]

MIN_WIDTH = 0.4
"""Percent of a lane that a bar has at least, to be seen."""

MAX_MOMENTS = 500
"""Of one source in the table of times: beyond, a spreadsheet serves better."""

Key = tuple[str, str, str]
"""Source, address, day; the day is empty for files."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """One sighting as a bar: where on the lane it begins and how long it is, in percent; no `href`, no link."""

    left: float
    width: float
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Lane:
    """The bars of one person or unknown in one source."""

    name: str
    colour: str
    bars: list[Appearance]


@dataclass(frozen=True, slots=True)
class SourceTimeline:
    """A source, or a camera's day, and everyone in it.

    Attributes:
        scale: the times at its beginning, middle and end.
        moments: who was there from when to when, in the order of time, with a link to it or "".
        more: how many moments more there were.
        coverage: how much of it was analysed, as a sentence; empty for all of it.
    """

    name: str
    scale: tuple[str, str, str]
    lanes: list[Lane]
    moments: list[tuple[str, str, str, str]]
    more: int = 0
    coverage: str = ""


@dataclass(frozen=True, slots=True)
class _Span:
    """A sighting on its axis: seconds of the file, or since the epoch."""

    who: int
    start: float
    end: float
    seen: Sighting


def timelines(
    everybody: Sequence[tuple[str, str, Sequence[Sighting]]],
    lengths: Mapping[str, float] | None = None,
    coverage: Mapping[str, str] | None = None,
) -> list[SourceTimeline]:
    """Return a timeline for each source; stills have none.

    Args:
        everybody: name, colour and sightings, in the order of the lanes.
        lengths: seconds of files, by their path; of others the last sighting's end is taken.
        coverage: how much of files was analysed, as a sentence, by their path; of others all.
    """
    spans = _spans([sightings for _, _, sightings in everybody])
    titles = _titles(spans)
    told = []
    for key in sorted(spans, key=lambda key: (titles[key].casefold(), titles[key])):
        begin, end = _ends(key, spans[key])
        if not key[2]:
            end = max(end, (lengths or {}).get(key[1], end))
        if end <= begin:
            continue
        lanes: dict[int, list[Appearance]] = defaultdict(list)
        for span in spans[key]:
            lanes[span.who].append(_bar(key, span, begin, end))
        rows = [Lane(everybody[who][0], everybody[who][1], lanes[who]) for who in sorted(lanes)]
        scale = (_moment(key, begin), _moment(key, (begin + end) / 2), _moment(key, end))
        moments = [
            (everybody[span.who][0], _moment(key, span.start), _moment(key, span.end), _link(span.seen))
            for span in sorted(spans[key], key=lambda span: span.start)
        ]
        more, covered = len(moments[MAX_MOMENTS:]), (coverage or {}).get(key[1], "")
        told.append(SourceTimeline(titles[key], scale, rows, moments[:MAX_MOMENTS], more, covered))
    return told


def seen_together(everybody: Sequence[tuple[str, Sequence[Sighting]]], most: int) -> list[tuple[str, str, float]]:
    """Return pairs seen in one picture and the seconds they share, longest first; `everybody`: name and sightings."""
    shared: dict[tuple[int, int], float] = defaultdict(float)
    for spans in _spans([sightings for _, sightings in everybody]).values():
        present: list[_Span] = []
        for span in sorted(spans, key=lambda span: span.start):
            present = [other for other in present if other.end > span.start]
            for other in present:
                if other.who != span.who:
                    pair = (min(span.who, other.who), max(span.who, other.who))
                    shared[pair] += min(span.end, other.end) - span.start
            present.append(span)
    longest = sorted(((pair, seconds) for pair, seconds in shared.items() if seconds > 0), key=lambda item: -item[1])
    return [(everybody[one][0], everybody[other][0], seconds) for (one, other), seconds in longest[:most]]


def clock(seconds: float) -> str:
    """Format seconds: 75.4 as "1:15.4"."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _spans(everybody: Iterable[Sequence[Sighting]]) -> dict[Key, list[_Span]]:
    spans: dict[Key, list[_Span]] = defaultdict(list)
    for who, sightings in enumerate(everybody):
        for seen in sightings:
            if seen.is_live:
                start, day = seen.started_at, time.strftime("%Y-%m-%d", time.localtime(seen.started_at))
            else:
                start, day = seen.start_seconds, ""
            span = _Span(who, start, start + seen.end_seconds - seen.start_seconds, seen)
            spans[seen.source, seen.uri, day].append(span)
    return spans


def _titles(keys: Iterable[Key]) -> dict[Key, str]:
    """The source's name, with as much of the address as tells it from others of that name, and a camera's day."""
    addresses: dict[str, set[str]] = defaultdict(set)
    for source, uri, _ in keys:
        addresses[source].add(uri)
    titles = {}
    for source, uri, day in keys:
        place = f", {uri}" if len(addresses[source]) > 1 else ""
        titles[source, uri, day] = source + place + (day and f", {day}")
    return titles


def _ends(key: Key, spans: Sequence[_Span]) -> tuple[float, float]:
    return (min(span.start for span in spans) if key[2] else 0.0), max(span.end for span in spans)


def _bar(key: Key, span: _Span, begin: float, end: float) -> Appearance:
    return Appearance(
        left=100 * (span.start - begin) / (end - begin),
        width=max(MIN_WIDTH, 100 * (span.end - span.start) / (end - begin)),
        title=f"{span.seen.name}, {_moment(key, span.start)} to {_moment(key, span.end)}",
        href=_link(span.seen),
    )


def _moment(key: Key, at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S") if key[2] else clock(at)


def _link(seen: Sighting) -> str:
    """The file at the moment (Media Fragments URI 1.0); cameras' moments are gone."""
    moment = f"#t={seen.start_seconds:.1f}"
    if seen.is_live:
        return ""
    if "://" in seen.uri:
        return (seen.uri if seen.uri.startswith(("http://", "https://")) else "") + moment
    return Path(seen.uri).absolute().as_uri() + moment if seen.uri else urllib.parse.quote(seen.source) + moment
