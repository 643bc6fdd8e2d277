"""`report.html`: people with screen time, a timeline for each source, unknowns, who was seen with whom.

One file that needs nothing else: no script, no font, no address; pictures are inlined. Links open the source at the
moment (`movie.mp4#t=12.5`, Media Fragments URI 1.0), where the browser plays it. Memory: a record a sighting.
"""

from __future__ import annotations

import base64
import itertools
import os
import tempfile
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import jinja2

from visage.people import Gallery
from visage.people.records import Sighting

__all__ = ["Appearance", "Lane", "Report", "write_report"]

MOST_SIGHTINGS = 50_000
MOST_PORTRAITS = 6
MOST_PAIRS = 50
COLOURS = ("#2f6f9f", "#b3541e", "#3d7a3d", "#8a3d7a", "#9a7b16", "#2a7f7f", "#a33a3a", "#5a5aa8")


@dataclass(frozen=True, slots=True)
class Appearance:
    """One sighting as a bar: where on the lane it begins and how long it is, in percent."""

    left: float
    width: float
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Somebody's bars in one source."""

    name: str
    colour: str
    bars: list[Appearance]


@dataclass(slots=True)
class SourceTimeline:
    """A source and everybody in it; `seconds` is where its lanes end."""

    name: str
    seconds: float
    lanes: list[Lane]


@dataclass(slots=True)
class Somebody:
    """A person or unknown with all their sightings."""

    name: str
    is_known: bool
    colour: str = ""
    seconds: float = 0.0
    sightings: list[Sighting] = field(default_factory=list)
    portraits: list[str] = field(default_factory=list)

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper()


@dataclass(slots=True)
class Report:
    """What the page tells."""

    made_at: str
    people: list[Somebody]
    unknowns: list[Somebody]
    timelines: list[SourceTimeline]
    together: list[tuple[str, str, float]]
    briefly: int

    @classmethod
    def of(cls, gallery: Gallery) -> Report:
        """Everything in a gallery."""
        sightings = gallery.sightings(limit=MOST_SIGHTINGS)
        offered = {one.unknown_id for one in gallery.unknowns()}
        everybody: dict[str, Somebody] = {}
        briefly = 0
        for seen in reversed(sightings):
            key = seen.person_id or (seen.unknown_id if seen.unknown_id in offered else None)
            if key is None:
                briefly += 1
                continue
            one = everybody.setdefault(key, Somebody(seen.name, seen.person_id is not None))
            one.sightings.append(seen)
            one.seconds += seen.end_seconds - seen.start_seconds
        for place, one in enumerate(sorted(everybody.values(), key=lambda one: (not one.is_known, -one.seconds))):
            one.colour = COLOURS[place % len(COLOURS)]
        for key, one in everybody.items():
            one.portraits = _portraits(gallery, key, one.sightings)
        ranked = sorted(everybody.values(), key=lambda one: -one.seconds)
        gallery.database.audit("report", "everybody", f"{len(sightings)} sightings")
        return cls(
            made_at=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
            people=[one for one in ranked if one.is_known],
            unknowns=[one for one in ranked if not one.is_known],
            timelines=_timelines(ranked),
            together=_together(ranked),
            briefly=briefly,
        )


def write_report(gallery: Gallery, folder: Path) -> Path:
    """Write `report.html` into the folder, whole or not at all; returns its path. Raises OSError."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("visage.report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["clock"] = clock
    page = environment.get_template("report.html").render(report=Report.of(gallery))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "report.html"
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, suffix=".part", delete=False) as file:
        try:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).replace(target)
    return target


def clock(seconds: float) -> str:
    """75.4 as "1:15.4"."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _portraits(gallery: Gallery, key: str, sightings: Sequence[Sighting]) -> list[str]:
    best = sorted(sightings, key=lambda seen: -seen.quality)[:MOST_PORTRAITS]
    enrolled = [one.crop for one in gallery.pictures(key)] if key.startswith("p") else []
    crops: Iterable[bytes | None] = itertools.chain(enrolled, (gallery.portrait(seen.sighting_id) for seen in best))
    kept = itertools.islice((crop for crop in crops if crop is not None), MOST_PORTRAITS)
    return ["data:image/jpeg;base64," + base64.b64encode(crop).decode() for crop in kept]


def _timelines(everybody: Sequence[Somebody]) -> list[SourceTimeline]:
    ends: dict[str, float] = defaultdict(float)
    for one in everybody:
        for seen in one.sightings:
            ends[seen.source] = max(ends[seen.source], seen.end_seconds)
    timelines = []
    for source in sorted(name for name, end in ends.items() if end > 0):
        lanes = []
        for one in everybody:
            bars = [_bar(seen, ends[source]) for seen in one.sightings if seen.source == source]
            if bars:
                lanes.append(Lane(one.name, one.colour, bars))
        timelines.append(SourceTimeline(source, ends[source], lanes))
    return timelines


def _bar(seen: Sighting, end: float) -> Appearance:
    span = f"{clock(seen.start_seconds)} to {clock(seen.end_seconds)}"
    return Appearance(
        left=100 * seen.start_seconds / end,
        width=max(0.4, 100 * (seen.end_seconds - seen.start_seconds) / end),
        title=f"{seen.name}, {span}",
        href=_link(seen),
    )


def _link(seen: Sighting) -> str:
    moment = f"#t={seen.start_seconds:.1f}"
    if "://" in seen.uri:
        return (seen.uri if seen.uri.startswith(("http://", "https://")) else "") + moment
    return Path(seen.uri).absolute().as_uri() + moment if seen.uri else urllib.parse.quote(seen.source) + moment


def _together(everybody: Sequence[Somebody]) -> list[tuple[str, str, float]]:
    """Pairs that were in one picture, with the seconds they share, longest first."""
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for first, second in itertools.combinations(everybody, 2):
        for one, other in itertools.product(first.sightings, second.sightings):
            same_run = one.source == other.source and one.uri == other.uri
            shared = min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
            if same_run and shared > 0:
                seconds[first.name, second.name] += shared
    longest = sorted(seconds.items(), key=lambda item: -item[1])[:MOST_PAIRS]
    return [(first, second, shared) for (first, second), shared in longest]
