"""Whether people are named in spoilt stills, and strangers are not.

Everyone belongs to one of two galleries, each enrolled from one clean photograph as `visage people add` does. Every
still is analysed with both: with the one that knows its person, which has to name them, and with the other, to which
they are strangers. A trial is a still and one enrolled person who is not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.conditions import CLEAN, HARD, TURNED, Condition
from benchmarks.accuracy.media import Portrait
from visage import AnalyzedFrame, Face, Settings, analyze, open_gallery
from visage.config.sources import expand_sources
from visage.people import FaceReader, choose_face
from visage.people.errors import PictureRefused

__all__ = ["measure_naming"]

AT_ONCE = 256  # stills of one run: their decoders are open only while they are read
MIN_OVERLAP = 0.25
TURNED_EVERY = 4
"""One portrait in four goes through the turns: there are twice as many of them as of other conditions."""

Counts = Counter[tuple[str, str]]
"""By condition and by what happened."""


def measure_naming(
    portraits: Sequence[Portrait], settings: Settings, scratch: Path, *, every: int = 1
) -> Mapping[str, object]:
    """Rates by condition, and the numbers of wrong names and named strangers.

    Args:
        every: one portrait in so many is spoilt; from 2 on none is turned. Everyone is enrolled all the same.
    """
    turned = every == 1
    people = sorted({portrait.person for portrait in portraits})
    counts: Counts = Counter()
    stills = [
        (condition, portrait)
        for condition in (CLEAN, *HARD, *(TURNED if turned else ()))
        for number, portrait in enumerate(portraits)
        if number % (TURNED_EVERY if condition in TURNED else every) == 0
    ]
    folder = scratch / "stills"
    folder.mkdir()
    paths = [folder / f"{number:05d}.jpg" for number in range(len(stills))]
    for path, (condition, portrait) in zip(paths, stills, strict=True):
        cv2.imwrite(str(path), condition.draw(portrait), [cv2.IMWRITE_JPEG_QUALITY, condition.quality])
    trials, refused = 0, 0
    for half in (0, 1):
        gallery = scratch / f"gallery {half}"
        enrolled, some_refused = enrol(gallery, portraits, people[half::2], settings, scratch)
        refused += some_refused
        for path, frame in _analysed(paths, settings, gallery):
            condition, portrait = stills[int(path.stem)]
            trials += len(enrolled - {portrait.person})
            _count(counts, condition, portrait, frame, knows=portrait.person in people[half::2])
    return {
        "people": len(people),
        "refused at enrolment": refused,
        "trials": trials,
        "clean": _rate(counts, [CLEAN]),
        "hard, mean": float(np.mean([_rate(counts, [condition]) for condition in HARD])),
        "turned, mean": _rate(counts, TURNED) if turned else None,
        "turned 90 and 270": _rate(counts, [one for one in TURNED if one.degrees in (90, 270)]) if turned else None,
        "turned 180": _rate(counts, [one for one in TURNED if one.degrees == 180]) if turned else None,
        "wrong names": sum(count for (_, what), count in counts.items() if what == "wrong"),
        "named strangers": sum(count for (_, what), count in counts.items() if what == "named stranger"),
        "by condition": {
            condition.name: {
                "named": _rate(counts, [condition]),
                "found": counts[condition.name, "found"] / counts[condition.name, "known"],
                "wrong": counts[condition.name, "wrong"],
                "named strangers": counts[condition.name, "named stranger"],
            }
            for condition in (CLEAN, *HARD, *(TURNED if turned else ()))
        },
    }


def enrol(
    gallery: Path, portraits: Sequence[Portrait], people: Sequence[str], settings: Settings, scratch: Path
) -> tuple[set[str], int]:
    """Enrol the first portrait of each of these people; returns who is enrolled, and how many were refused."""
    enrolled: set[str] = set()
    with (
        FaceReader(settings) as reader,
        open_gallery(gallery, model=settings.embedder, model_dir=settings.model_dir) as opened,
    ):
        for person in people:
            portrait = next(portrait for portrait in portraits if portrait.person == person)
            path = scratch / "portrait.png"
            cv2.imwrite(str(path), portrait.close)
            try:
                face = choose_face(reader.read(path), largest=True)
                opened.add(person, face, origin=portrait.name, content=path.read_bytes())
            except PictureRefused:
                continue
            enrolled.add(person)
    return enrolled, len(people) - len(enrolled)


def _analysed(paths: Sequence[Path], settings: Settings, gallery: Path) -> list[tuple[Path, AnalyzedFrame]]:
    found = []
    for start in range(0, len(paths), AT_ONCE):
        some = [str(path) for path in paths[start : start + AT_ONCE]]
        by_source = {spec.source_id: Path(spec.uri) for spec in expand_sources(some)}
        found += [(by_source[frame.source_id], frame) for frame in analyze(some, settings, gallery=gallery)]
    return found


def _count(counts: Counts, condition: Condition, portrait: Portrait, frame: AnalyzedFrame, *, knows: bool) -> None:
    face = _in_the_middle(frame, condition)
    name = None
    if face is not None and face.identity is not None and face.identity.person_id is not None:
        name = face.identity.name
    if not knows:
        counts[condition.name, "named stranger"] += name is not None
        return
    counts[condition.name, "known"] += 1
    counts[condition.name, "found"] += face is not None
    counts[condition.name, "right"] += name == portrait.person
    counts[condition.name, "wrong"] += name not in (None, portrait.person)


def _in_the_middle(frame: AnalyzedFrame, condition: Condition) -> Face | None:
    """The face that overlaps most with a circle as high as the true one, around the picture's middle."""
    x, y, half = frame.width / 2, frame.height / 2, 0.45 * condition.height
    best, best_overlap = None, MIN_OVERLAP
    for face in frame.faces:
        left, top, right, bottom = face.box_xyxy
        width = min(right, x + half) - max(left, x - half)
        height = min(bottom, y + half) - max(top, y - half)
        shared = max(0.0, width) * max(0.0, height)
        overlap = shared / ((right - left) * (bottom - top) + 4 * half * half - shared)
        if overlap >= best_overlap:
            best, best_overlap = face, overlap
    return best


def _rate(counts: Counts, conditions: Sequence[Condition]) -> float:
    """Part of the stills of these conditions that are named right by the gallery that knows their person."""
    known = sum(counts[condition.name, "known"] for condition in conditions)
    return sum(counts[condition.name, "right"] for condition in conditions) / max(1, known)
