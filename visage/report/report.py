"""`report.html`: people with screen time, a timeline for each source, unknowns, who was seen with whom.

A file that needs nothing else: no script, no font, no address; pictures are inlined. Links open the source at the
moment (`movie.mp4#t=12.5`, Media Fragments URI 1.0), where the browser plays it. Memory: a record a sighting.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from stages.sink.folder import METADATA
from visage.people import Gallery
from visage.people.records import Sighting
from visage.report.timeline import SourceTimeline, clock, seen_together, timelines
from visage.storage.atomic_write import atomic_write

__all__ = ["Report", "Somebody", "write_report"]

MAX_SIGHTINGS = 50_000
MAX_PORTRAITS = 6
LONG_CAST = 60
"""Beyond this many people each has one portrait: a page of hundreds has to open, too."""
PORTRAIT_SIDE = 128
"""Pixels; twice what the page shows of the large ones."""
MAX_PAIRS = 50
COLOURS = ("#2f6f9f", "#b3541e", "#3d7a3d", "#8a3d7a", "#9a7b16", "#2a7f7f", "#a33a3a", "#5a5aa8")
GOLDEN_DEGREES = 137.508
"""Between the hues of those who follow: none comes again, and neighbours differ most."""
PAGE_SOURCES = 20
"""Timelines on a page."""


@dataclass(slots=True)
class Report:
    """The content of the page; durations are in seconds."""

    made_at: str
    people: list[Somebody]
    unknowns: list[Somebody]
    timelines: list[SourceTimeline]
    together: list[tuple[str, str, float]]
    briefly: int
    is_cut: bool

    @classmethod
    def of(
        cls,
        gallery: Gallery,
        lengths: Mapping[str, float] | None = None,
        coverage: Mapping[str, str] | None = None,
    ) -> Report:
        """Return a report on everyone in a gallery, from their latest sightings; durations are in seconds.

        `lengths`, `coverage`: see `timelines`.
        """
        found = gallery.sightings(limit=MAX_SIGHTINGS + 1)
        sightings = found[:MAX_SIGHTINGS]
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
            one.colour = _colour(place)
        most = MAX_PORTRAITS if len(everybody) <= LONG_CAST else 1
        for key, one in everybody.items():
            one.portraits = _portraits(gallery, key, one, most)
        ranked = sorted(everybody.values(), key=lambda one: -one.seconds)
        gallery.database.audit("report", "everybody", f"{len(sightings)} sightings")
        return cls(
            made_at=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
            people=[one for one in ranked if one.is_known],
            unknowns=[one for one in ranked if not one.is_known],
            timelines=timelines([(one.name, one.colour, one.sightings) for one in ranked], lengths, coverage),
            together=seen_together([(one.name, one.sightings) for one in ranked], MAX_PAIRS),
            briefly=briefly,
            is_cut=len(found) > MAX_SIGHTINGS,
        )


@dataclass(slots=True)
class Somebody:
    """A person or unknown with all their sightings, and how many seconds these last together."""

    name: str
    is_known: bool
    colour: str = ""
    seconds: float = 0.0
    sightings: list[Sighting] = field(default_factory=list)
    portraits: list[str] = field(default_factory=list)

    @property
    def initials(self) -> str:
        """The first letters of the first two words of the name, in upper case."""
        return "".join(word[0] for word in self.name.split()[:2]).upper()


def write_report(gallery: Gallery, folder: Path) -> Path:
    """Write `report.html` into the folder, whole or not at all, for its owner alone; its path. Raises OSError.

    More than `PAGE_SOURCES` timelines go on in `report-2.html` and so on. How long films are is read from the results
    in the folder.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("visage.report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["clock"] = clock
    results = list(_results(folder))
    report = Report.of(gallery, _lengths(results), _coverage(results))
    parts = [report.timelines[at : at + PAGE_SOURCES] for at in range(0, len(report.timelines), PAGE_SOURCES)] or [[]]
    names = [_page_name(number) for number in range(1, len(parts) + 1)]
    template = environment.get_template("report.html")
    for number, part in reversed(list(enumerate(parts, 1))):  # the first, which leads to the others, last
        page = template.render(report=report, timelines=part, number=number, pages=names)
        atomic_write(folder / _page_name(number), page.encode())
    number = len(parts) + 1
    while (outdated := folder / _page_name(number)).exists():  # of a longer report before
        outdated.unlink()
        number += 1
    return folder / _page_name(1)


def _page_name(number: int) -> str:
    return "report.html" if number == 1 else f"report-{number}.html"


def _results(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The films whose results are in the folder, or in folders below it: their paths and their metadata."""
    for path in [folder / METADATA, *folder.glob(f"*/{METADATA}")]:
        try:
            metadata = json.loads(path.read_text())
            yield os.path.realpath(metadata["filepath"]), metadata
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _lengths(results: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, float]:
    """Seconds of the films."""
    lengths = {}
    for film, metadata in results:
        try:
            lengths[film] = float(metadata["duration"])
        except (ValueError, KeyError, TypeError):
            continue
    return lengths


def _coverage(results: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Of the films that were scanned, how much of them is known."""
    sentences = {}
    for film, metadata in results:
        try:
            share = float(metadata["scan"]["share_decoded"])
            stretches = len(metadata["scan"]["exact_frames"])
        except (ValueError, KeyError, TypeError):
            continue
        exact = (
            f"times are exact in {stretches} stretch{'' if stretches == 1 else 'es'}, elsewhere they"
            if stretches
            else ""
        )
        sentences[film] = (
            f"Scanned: {share:.1%} of the frames were decoded; {exact or 'times'} are those of single looks."
        )
    return sentences


def _colour(place: int) -> str:
    if place < len(COLOURS):
        return COLOURS[place]
    return f"hsl({place * GOLDEN_DEGREES % 360:.0f} {50 + place % 3 * 12}% {34 + place % 4 * 5}%)"


def _portraits(gallery: Gallery, key: str, somebody: Somebody, most: int) -> list[str]:
    best = sorted(somebody.sightings, key=lambda seen: -seen.quality)[:most]
    enrolled = [picture.crop for picture in gallery.pictures(key)] if somebody.is_known else []
    crops: Iterable[bytes | None] = itertools.chain(enrolled, (gallery.portrait(seen.sighting_id) for seen in best))
    kept = itertools.islice((crop for crop in crops if crop is not None), most)
    return ["data:image/jpeg;base64," + base64.b64encode(_small(crop)).decode() for crop in kept]


def _small(crop: bytes) -> bytes:
    """The JPEG, no larger than a page needs it."""
    image = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR)
    scale = 1.0 if image is None else PORTRAIT_SIDE / min(image.shape[:2])
    if image is None or scale >= 1:
        return crop
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
