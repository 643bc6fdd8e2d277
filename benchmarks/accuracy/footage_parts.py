"""The parts of the benchmark that measure films: faces found, unknowns, swaps, turned films, and what it costs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
from pydantic import ValidationError

from benchmarks.accuracy.conditions import Worsen
from benchmarks.accuracy.footage import Actor, Picture, Place, crowd, empty, mosaic, turned, wandering, write_film
from benchmarks.accuracy.media import Image, Portrait, films, read_portraits
from visage import Settings, analyze
from visage.evaluation.film_truth import read_films
from visage.evaluation.films import FilmsReport, evaluate_films

__all__ = [
    "FACE_IOU",
    "evaluated",
    "measure_cost",
    "measure_films",
    "measure_swaps",
    "measure_turned",
    "measure_unknowns",
]

FACE_IOU = 0.4
"""Boxes of different networks on faces of 20 pixels differ by more than a half allows."""
RUNS = 3
Way = Callable[[int], Place | None]


def measure_films(settings: Settings, scratch: Path) -> Mapping[str, object]:
    """Faces found in real footage made small, and boxes where no face is."""
    kinds: dict[str, tuple[Iterator[Picture], int]] = {
        "75 px": (mosaic(6, 50), 23),
        "45 px": (mosaic(10, 50, every=3), 23),
        "45 px, crf 38": (mosaic(10, 50, every=3), 38),
        "45 px, blurred": (mosaic(10, 50, every=3, worsen=_softened(1.6)), 23),
        "45 px, dark and noisy": (mosaic(10, 50, every=3, worsen=_dark), 23),
        "28 px": (mosaic(16, 50, every=5), 23),
        "24 px": (mosaic(18, 50, every=7), 23),
        "no one": (empty(), 23),
    }
    results: dict[str, object] = {}
    found = wanted = false = frames = 0
    for name, (pictures, quality) in kinds.items():
        report = evaluated(scratch / "films", {name: (pictures, quality)}, settings.model_copy(update={"embed": None}))
        detection = report.detection
        results[name] = {"recall": detection.recall, "false boxes": detection.false_positives}
        results[name] |= {"HOTA": report.tracking.hota, "IDF1": report.tracking.idf1}
        found += round(detection.recall * detection.faces)
        wanted += detection.faces
        false += detection.false_positives
        frames += report.frames
    return {"recall": found / wanted, "faces": wanted, "frames": frames, "false boxes": false, "by film": results}


def measure_unknowns(settings: Settings, scratch: Path) -> Mapping[str, object]:
    """Six films in which sixteen people without a name come again."""
    report = evaluated(scratch / "films", dict(_unknown_films()), settings)
    clusters, tracks = report.clusters, report.tracking
    assert clusters is not None
    return {
        "tracks": clusters.tracks,
        "people": clusters.people,
        "clusters": clusters.clusters,
        "clusters with tracks visible together": clusters.together,
        "clusters of several people": clusters.mixed_clusters,
        "pairwise precision": clusters.precision,
        "pairwise recall": clusters.recall,
        "purity": clusters.purity,
        "faces found": report.detection.recall,
        "false boxes": report.detection.false_positives,
        "HOTA": tracks.hota,
        "IDF1": tracks.idf1,
        "tracks of several people": tracks.mixed_tracks,
    }


def measure_swaps(settings: Settings, scratch: Path) -> Mapping[str, object]:
    """Twelve clips in which one person takes another's place, and eight in which they pass each other."""
    portraits = _one_each(read_portraits())
    results: dict[str, object] = {}
    for kind, count in (("same place", 12), ("passing", 8)):
        pairs = [(portraits[2 * n % 32], portraits[(2 * n + 7) % 32]) for n in range(count)]
        clips = {f"{kind} {n}": (_swap(kind, n, *pair), 23) for n, pair in enumerate(pairs)}
        report = evaluated(scratch / kind, clips, settings)
        results[kind] = {
            "clips": count,
            "tracks of several people": report.tracking.mixed_tracks,
            "purity": report.tracking.purity,
            "switches": report.tracking.switches,
            "HOTA": report.tracking.hota,
            "IDF1": report.tracking.idf1,
        }
    return results


def measure_turned(settings: Settings, scratch: Path) -> Mapping[str, object]:
    """A film of eight people who are enrolled, as it is and turned; and an upright one of people on their side."""
    portraits = _one_each(read_portraits())[8:16]
    people: dict[str, Sequence[Path]] = {}
    for number, portrait in enumerate(portraits):
        path = scratch / f"{number}.png"
        cv2.imwrite(str(path), portrait.close)
        people[portrait.person] = [path]
    results: dict[str, object] = {}
    for way in ("as set", "rotate auto"):
        chosen = settings
        if way != "as set":
            try:
                chosen = Settings(**{**settings.model_dump(), "rotate": "auto"})
            except ValidationError:
                continue  # before there is such a setting
        for degrees in (0, 90, 180, 270):
            pictures = turned(_close(portraits, 0), degrees, with_truth=way == "as set")
            clip = {f"turned {degrees}": (pictures, 23)}
            results[f"{way}, {degrees} degrees"] = _named(evaluated(scratch / f"{way} {degrees}", clip, chosen, people))
    clip = {"lying": (_close(portraits, 90), 23)}
    results["as set, people on their side"] = _named(evaluated(scratch / "lying", clip, settings, people))
    return results


def measure_cost(settings: Settings, scratch: Path) -> Mapping[str, object]:
    """Processor seconds of all threads, the least of three runs, without the networks' start."""
    clip = films().path("WolfgangLanger_Pexels.mp4")
    write_film(scratch, "crowd", next(iter(_unknown_films()))[1][0])
    results: dict[str, object] = {}
    for name, path in (("talking head, 360p", clip), ("seven people, 720p", scratch / "crowd.mp4")):
        seconds = []
        for _ in range(RUNS):
            started, first = 0.0, True
            for frames, _frame in enumerate(analyze(path, settings), 1):
                if first:
                    started, first = sum(os.times()[:4]), False
                count = frames
            seconds.append((sum(os.times()[:4]) - started) / count)
        results[f"{name}, ms a frame"] = round(1000 * min(seconds), 2)
    return results


def evaluated(
    folder: Path,
    clips: Mapping[str, tuple[Iterator[Picture], int]],
    settings: Settings,
    people: Mapping[str, Sequence[Path]] | None = None,
) -> FilmsReport:
    folder.mkdir(exist_ok=True)
    for name, (pictures, quality) in clips.items():
        write_film(folder, name, pictures, quality=quality)
    report = evaluate_films(read_films(folder), settings, people=people, iou=FACE_IOU)
    for path in folder.iterdir():
        path.unlink()
    return report


def _named(report: FilmsReport) -> Mapping[str, object]:
    names = report.naming
    assert names is not None
    rows = report.detection.faces
    return {"faces found": report.detection.recall, "named": names.right / rows, "wrong names": names.wrong}


def _one_each(portraits: Sequence[Portrait]) -> list[Portrait]:
    """The first portrait of each person."""
    return list({portrait.person: portrait for portrait in reversed(portraits)}.values())[::-1]


def _unknown_films() -> Iterator[tuple[str, tuple[Iterator[Picture], int]]]:
    portraits = read_portraits()
    several = [portrait for portrait in portraits if sum(p.person == portrait.person for p in portraits) > 1]
    cast = list(islice(cycle([*several, *_one_each(portraits)[-13:]]), 42))
    lanes = [110 + 83 * n for n in range(7)]
    for film in range(6):
        heights = [(96, 72, 60, 48, 40, 32, 26)[(n + film) % 7] for n in range(7)]
        actors = []
        used: set[str] = set()
        for n in range(7):
            portrait = cast[7 * film + n]
            if portrait.person in used:
                continue
            used.add(portrait.person)
            speed = (2.5 + 0.4 * n) * (1 if (n + film) % 2 else -1)
            start = (80 if speed > 0 else 1200) + 60 * (1 if speed > 0 else -1) * (n % 3)
            actors.append(
                Actor(portrait, _leaving(wandering(n, heights[n], lane=lanes[n] * 0.95, start=start, speed=speed), n))
            )
        worsen = (None, _softened(1.0), _noisy, None, _streaked, _dark)[film]
        yield f"film {film}", (crowd(actors, 100, back=film, worsen=worsen), (23, 28, 23, 34, 23, 26)[film])


def _leaving(place: Way, number: int) -> Way:
    """Every third one is away for a while, and comes back."""
    return lambda frame: None if number % 3 == 1 and 40 <= frame < 62 else place(frame)


def _swap(kind: str, number: int, one: Portrait, other: Portrait) -> Iterator[Picture]:
    height = (70, 90, 110)[number % 3]

    def first(frame: int) -> Place | None:
        if kind == "same place":
            return Place(640 + 20 * np.sin(frame / 9), 360, height) if frame < 25 else None
        return Place(340 + 12 * frame, 350, height)

    def second(frame: int) -> Place | None:
        if kind == "same place":
            return Place(640 + 20 * np.sin(frame / 9), 360, height) if frame >= 25 else None
        return Place(940 - 12 * frame, 372, height)

    return crowd([Actor(one, first), Actor(other, second)], 50, back=number)


def _close(portraits: Sequence[Portrait], degrees: float) -> Iterator[Picture]:
    """Eight faces of about 110 pixels, hardly moving."""

    def way(number: int) -> Way:
        x, y = 200 + 290 * (number % 4), 200 + 320 * (number // 4)
        return lambda frame: Place(
            x + 15 * np.sin(frame / 8 + number),
            y + 8 * np.cos(frame / 6),
            110,
            degrees + 5 * np.sin(frame / 7 + number),
        )

    return crowd([Actor(portrait, way(number)) for number, portrait in enumerate(portraits)], 50, back=1)


def _softened(sigma: float) -> Worsen:
    return lambda image, height, rng: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def _noisy(image: Image, height: float, rng: np.random.Generator) -> Image:
    grain = rng.standard_normal(image.shape, np.float32) * 14
    return np.asarray(np.clip(image + grain, 0, 255), np.uint8)


def _streaked(image: Image, height: float, rng: np.random.Generator) -> Image:
    return np.asarray(cv2.blur(image, (7, 1)), np.uint8)


def _dark(image: Image, height: float, rng: np.random.Generator) -> Image:
    grain = rng.standard_normal(image.shape, np.float32) * 5
    return np.asarray(np.clip(0.3 * image + grain, 0, 255), np.uint8)
