"""Runs Visage over films whose faces are known, with a gallery of its own, and measures what a user of it gets.

Films are analysed one after another, by name, into one new gallery that is deleted afterwards: unknowns meet across
films. With photographs of people the gallery knows them, and names are measured too.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stages.errors import SourceError
from stages.frames import FloatArray
from visage.analysis import analyze
from visage.config import Settings
from visage.evaluation.clustering import ClusteredTrack, ClusterReport, evaluate_clusters
from visage.evaluation.detection import DetectionReport, TrueFaces, evaluate_detection, overlaps
from visage.evaluation.film_truth import FilmTruth, FrameTruth
from visage.evaluation.layouts import LayoutError
from visage.evaluation.tracking import FrameIds, TrackingReport, evaluate_tracking
from visage.people import FaceReader, choose_face, open_gallery
from visage.people.errors import PictureRefused
from visage.results import AnalyzedFrame, Face

__all__ = ["FilmsReport", "NamingReport", "describe_films", "evaluate_films"]

MAX_SIGHTINGS = 1_000_000


@dataclass(frozen=True, slots=True)
class NamingReport:
    """Names of faces that were found and whose person is known, one count for each face and frame.

    Attributes:
        right, wrong, unnamed: of people who are enrolled.
        strangers, named_strangers: of all others, and how many of these have a name.
    """

    right: int = 0
    wrong: int = 0
    unnamed: int = 0
    strangers: int = 0
    named_strangers: int = 0


@dataclass(frozen=True, slots=True)
class FilmsReport:
    """What was measured over all films.

    Attributes:
        frames: those that were judged.
        clusters: of people without a name; None without embeddings.
        naming: None without photographs.
        cpu_seconds: of this process and its children, start of the networks included.
        film_seconds: how long the films last, as far as they were analysed.
    """

    films: int
    frames: int
    detection: DetectionReport
    tracking: TrackingReport
    clusters: ClusterReport | None
    naming: NamingReport | None
    cpu_seconds: float
    film_seconds: float


@dataclass(slots=True)
class _Collected:
    """What all films gave so far. A track is of one film, and so is a person here: no switch lies between two films."""

    people: dict[tuple[int, str], int] = field(default_factory=dict)
    tracks: dict[tuple[int, int], int] = field(default_factory=dict)
    detections: list[tuple[TrueFaces, FloatArray, FloatArray]] = field(default_factory=list)
    frames: list[FrameIds] = field(default_factory=list)
    owners: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    shown: dict[int, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    names: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    film_seconds: float = 0.0


def evaluate_films(
    films: Sequence[FilmTruth],
    settings: Settings,
    *,
    people: Mapping[str, Sequence[Path]] | None = None,
    iou: float = 0.5,
) -> FilmsReport:
    """Analyse films and compare what comes out with the truth.

    Args:
        settings: with `track`; their gallery is not used.
        people: photographs of those who are to be recognised, by name.
        iou: from here on a box and a face are the same, for detection, purity and names.

    Raises:
        LayoutError: a film's truth has frames that the film has not.
        SourceError: a film can't be read.
        PictureRefused: no one can be enrolled from a photograph.
    """
    started, collected = sum(os.times()[:4]), _Collected()
    with tempfile.TemporaryDirectory(prefix="visage-eval-") as scratch:
        gallery = Path(scratch) / "gallery"
        if people:
            _enrol(gallery, people, settings)
        chosen = settings.model_copy(update={"gallery": gallery if settings.embed else None, "index_url": None})
        for number, film in enumerate(films):
            _collect(number, film, chosen, collected, iou)
        clusters = _clusters(gallery, films, collected) if settings.embed else None
    return FilmsReport(
        films=len(films),
        frames=len(collected.frames),
        detection=evaluate_detection(collected.detections, iou=iou),
        tracking=evaluate_tracking(collected.frames),
        clusters=clusters,
        naming=_naming(collected.names, people) if people and settings.embed else None,
        cpu_seconds=sum(os.times()[:4]) - started,
        film_seconds=collected.film_seconds,
    )


def describe_films(report: FilmsReport) -> list[str]:
    """Return the results in lines for the user."""
    found, tracks, clusters, names = report.detection, report.tracking, report.clusters, report.naming
    lines = [
        f"{found.faces} faces in {report.frames} frames of {report.films} film{'s' * (report.films != 1)}",
        f"detection: recall {found.recall:.4f}, precision {found.precision:.4f}, {found.false_positives} false boxes",
        *(f"  faces {size} px: recall {recall:.4f} of {n}" for size, (recall, n) in found.recall_by_size.items()),
        f"tracking: HOTA {tracks.hota:.4f} (detection {tracks.detection_accuracy:.4f}, association "
        f"{tracks.association_accuracy:.4f}), IDF1 {tracks.idf1:.4f}, {tracks.switches} switches",
        f"  {tracks.tracks} tracks, purity {tracks.purity:.4f}, {tracks.mixed_tracks} of several people",
    ]
    if clusters is not None:
        lines += [
            f"clusters: {clusters.clusters} of {clusters.tracks} tracks of {clusters.people} people, pairwise "
            f"precision {clusters.precision:.4f}, recall {clusters.recall:.4f}, purity {clusters.purity:.4f}",
            f"  {clusters.mixed_clusters} of several people, {clusters.together} with tracks that are visible together",
        ]
    if names is not None:
        known = max(1, names.right + names.wrong + names.unnamed)
        lines.append(
            f"names: {names.right / known:.4f} of {known} faces named right, {names.wrong} wrong, "
            f"{names.named_strangers} of {names.strangers} strangers' faces named"
        )
    lines.append(f"{report.cpu_seconds:.1f} s of processor for {report.film_seconds:.1f} s of film")
    return lines


def _enrol(gallery: Path, people: Mapping[str, Sequence[Path]], settings: Settings) -> None:
    with (
        FaceReader(settings) as reader,
        open_gallery(gallery, model=settings.embedder, model_dir=settings.model_dir) as opened,
    ):
        for name, photographs in people.items():
            for path in photographs:
                try:
                    face = choose_face(reader.read(path), largest=True)
                    opened.add(name, face, origin=path.name, content=path.read_bytes())
                except PictureRefused as refusal:
                    raise PictureRefused(f"{path}: {refusal}") from refusal


def _collect(number: int, film: FilmTruth, settings: Settings, collected: _Collected, iou: float) -> None:
    last = -1
    for frame in analyze(film.film, settings):
        last = frame.index
        seconds = frame.pts_seconds
        for face in frame.faces:
            if face.track_id:
                track = collected.tracks.setdefault((number, face.track_id), len(collected.tracks))
                collected.shown[track].add((number, frame.index))
        truth = film.frames.get(frame.index)
        if truth is not None:
            _judge(number, frame, truth, collected, iou)
    if last < 0:
        raise SourceError(f"{film.film} gave no frames")
    collected.film_seconds += seconds
    beyond = [index for index, truth in film.frames.items() if index > last and len(truth.persons)]
    if beyond and beyond[-1] > last + _interval(settings):
        raise LayoutError(f"{film.table} has faces in frame {beyond[-1]}; the last one of {film.film.name} is {last}")


def _judge(number: int, frame: AnalyzedFrame, truth: FrameTruth, collected: _Collected, iou: float) -> None:
    boxes = np.array([face.box_xyxy for face in frame.faces], np.float32).reshape(-1, 4)
    scores = np.array([face.score for face in frame.faces], np.float32)
    collected.detections.append((TrueFaces(truth.boxes_xyxy, truth.ignored), boxes, scores))
    alike = overlaps(truth.boxes_xyxy, boxes)
    wanted = np.flatnonzero(~truth.ignored)
    # As for detection, a face at a place to be ignored is neither right nor wrong.
    over_wanted = alike[wanted].max(axis=0, initial=0) >= iou
    over_ignored = alike[truth.ignored].max(axis=0, initial=0) >= iou
    rows = [
        row for row, face in enumerate(frame.faces) if face.track_id and (over_wanted[row] or not over_ignored[row])
    ]
    persons = [truth.persons[row] or f"frame {frame.index} {row}" for row in wanted]
    tracks = [collected.tracks[number, frame.faces[row].track_id or 0] for row in rows]
    collected.frames.append(
        FrameIds(
            np.array(
                [collected.people.setdefault((number, person), len(collected.people)) for person in persons], np.intp
            ),
            np.array(tracks, np.intp),
            alike[wanted][:, np.array(rows, np.intp)],
        )
    )
    for row, track in zip(rows, tracks, strict=True):
        best = max(wanted, key=lambda one: alike[one, row], default=None)
        is_face = best is not None and alike[best, row] >= iou
        person = truth.persons[best] if best is not None and is_face else ""
        collected.owners[track][person] += 1
        if person:
            collected.names[person, _name(frame.faces[row])] += 1


def _name(face: Face) -> str | None:
    return None if face.identity is None or face.identity.person_id is None else face.identity.name


def _clusters(gallery: Path, films: Sequence[FilmTruth], collected: _Collected) -> ClusterReport:
    """Of the tracks to which the gallery gave no person: all of them where no one is enrolled."""
    numbers = {str(film.film): number for number, film in enumerate(films)}
    with open_gallery(gallery) as opened:
        stored = {
            (numbers.get(seen.uri, numbers.get(seen.source, -1)), seen.track_id): seen
            for seen in opened.sightings(limit=MAX_SIGHTINGS)
        }
    tracks = []
    for key, track in collected.tracks.items():
        seen = stored.get(key)
        if seen is None or seen.person_id is None:
            person, count = max(collected.owners[track].items(), key=lambda one: one[1], default=("", 0))
            is_whose = 2 * count > collected.owners[track].total()
            cluster = None if seen is None else seen.unknown_id
            tracks.append(ClusteredTrack(person if is_whose else "", cluster, frozenset(collected.shown[track])))
    return evaluate_clusters(tracks)


def _naming(names: Counter[tuple[str, str | None]], people: Mapping[str, Sequence[Path]]) -> NamingReport:
    enrolled = {person: counted for person, counted in names.items() if person[0] in people}
    strangers = {person: counted for person, counted in names.items() if person[0] not in people}
    return NamingReport(
        right=sum(counted for (person, name), counted in enrolled.items() if name == person),
        wrong=sum(counted for (person, name), counted in enrolled.items() if name not in (None, person)),
        unnamed=sum(counted for (_, name), counted in enrolled.items() if name is None),
        strangers=sum(strangers.values()),
        named_strangers=sum(counted for (_, name), counted in strangers.items() if name is not None),
    )


def _interval(settings: Settings) -> int:
    """Frames that may follow the last analysed one."""
    return settings.frameskip if isinstance(settings.frameskip, int) else 0
