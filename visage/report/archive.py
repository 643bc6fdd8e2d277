"""People × films over the results of many runs: screen time, first and last appearance, who is seen with whom.

What is counted are the tracks of `tracks.csv` that have a person's name. Time on screen is the union of a person's
tracks in a film. Two people are together while tracks of both last. Where a run has left `shots.csv`, its shot scales
count by the time of the shots. Memory: a record a track.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.sink.folder import METADATA, TRACKS_CSV
from visage.report.errors import ArchiveRefused

__all__ = ["Archive", "ArchiveFilm", "ArchiveTrack", "read_archive"]

SHOTS_CSV = "shots.csv"
SCALE_COLUMNS = ("scale", "shot_scale")
UNKNOWN = "unknown"
YEARS_A_DECADE = 10


@dataclass(frozen=True, slots=True)
class ArchiveTrack:
    """One track of somebody who has a name; times in seconds, frames zero-based and inclusive."""

    person: str
    track_id: int
    start_seconds: float
    end_seconds: float
    first_frame: int
    last_frame: int
    quality: float


@dataclass(slots=True)
class ArchiveFilm:
    """One film.

    Attributes:
        name: the file's name without its ending; told apart by its folder where two films share it.
        seconds: its length, or the end of its last track.
        about: what the table of films says of it, by column.
        scales: seconds of its shots by their scale; empty without `shots.csv`.
    """

    name: str
    uri: str
    seconds: float
    tracks: list[ArchiveTrack] = field(default_factory=list)
    about: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)

    def presence(self) -> dict[str, list[tuple[float, float]]]:
        """Return when each person is on screen, in seconds, in spans that do not touch."""
        spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for track in self.tracks:
            spans[track.person].append((track.start_seconds, track.end_seconds))
        return {person: _united(own) for person, own in spans.items()}


@dataclass(slots=True)
class Archive:
    """Many films, in the order of their names."""

    films: list[ArchiveFilm]

    def together(self) -> dict[tuple[str, str], tuple[float, int]]:
        """Return pairs of people, by name, with the seconds that they share and the films in which they do."""
        shared: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for film in self.films:
            for pair, seconds in _shared(film.presence()).items():
                shared[pair][0] += seconds
                shared[pair][1] += 1
        return {pair: (seconds, int(films)) for pair, (seconds, films) in shared.items()}

    def scales_by(self, column: str) -> dict[str, dict[str, float]]:
        """Return seconds by shot scale for each value of a column of the table of films."""
        sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for film in self.films:
            value = film.about.get(column)
            for scale, seconds in film.scales.items() if value else ():
                sums[value or ""][scale] += seconds
        return {value: dict(scales) for value, scales in sorted(sums.items())}

    @property
    def columns(self) -> list[str]:
        """The columns that the table of films has; at least none."""
        return sorted({column for film in self.films for column in film.about})


def read_archive(paths: Sequence[Path], table: Path | None = None) -> tuple[Archive, list[str]]:
    """Read the results of runs; returns the archive and a line for every folder that had to be left out.

    Args:
        paths: folders with results, or with such folders below them at any depth.
        table: a CSV with a column `film` (the file's name, with or without its ending) and any others. A column
            `decade` is made of `year` if there is none.

    Raises:
        ArchiveRefused: there are no results, or the table can't be read.
    """
    about = {} if table is None else _read_table(table)
    films, problems = [], []
    for folder in _folders(paths):
        try:
            films.append(_read_film(folder, about))
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"{folder}: left out, its results are damaged ({_cause(error)})")
    if not films:
        raise ArchiveRefused(f"{', '.join(map(str, paths))}: no results of a run; name folders that `--dst` named")
    _tell_apart(films)
    missing = sorted(set(about) - {_key(Path(film.uri).name) for film in films})
    if missing:
        problems.append(f"{table}: no results of {', '.join(missing[:5])}" + (" and others" if missing[5:] else ""))
    return Archive(sorted(films, key=lambda film: (film.name.casefold(), film.uri))), problems


def _folders(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted({file.parent for file in path.rglob(METADATA)})


def _read_film(folder: Path, about: Mapping[str, Mapping[str, str]]) -> ArchiveFilm:
    metadata: Any = json.loads((folder / METADATA).read_text())
    uri = str(metadata["filepath"])
    tracks = []
    with (folder / TRACKS_CSV).open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            person = row.get("person") or ""
            if person and person != UNKNOWN:
                start, end = float(row["start"]), float(row["end"])
                first, last = int(row["first_frame"]), int(row["last_frame"])
                quality = float(row.get("best_quality") or 0)
                tracks.append(ArchiveTrack(person, int(row["track_id"]), start, end, first, last, quality))
    seconds = metadata.get("duration") or max((track.end_seconds for track in tracks), default=0.0)
    name = Path(uri).name
    return ArchiveFilm(Path(uri).stem, uri, float(seconds), tracks, about.get(_key(name), {}), _scales(folder))


def _scales(folder: Path) -> dict[str, float]:
    table = folder / SHOTS_CSV
    sums: dict[str, float] = defaultdict(float)
    if table.is_file():
        with table.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                scale = next((row[name] for name in SCALE_COLUMNS if row.get(name)), None)
                if scale:
                    sums[scale] += float(row["end"]) - float(row["start"])
    return dict(sums)


def _read_table(table: Path) -> dict[str, dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "film" not in (reader.fieldnames or ()):
                raise ArchiveRefused(f"{table}: has no column film; its first line names the columns")
            rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ArchiveRefused(f"{table}: not a CSV file in UTF-8") from error
    found = {}
    for row in rows:
        values = {name: value.strip() for name, value in row.items() if name and name != "film" and value}
        year = values.get("year", "")
        if "decade" not in values and year.isdecimal():
            values["decade"] = f"{int(year) // YEARS_A_DECADE * YEARS_A_DECADE}s"
        found[_key(row["film"] or "")] = values
    return found


def _key(name: str) -> str:
    """By which a film is found in the table: its file's name without a short ending, in any case."""
    path = Path(name)
    return (path.stem if 1 < len(path.suffix) <= len(".mpeg") else path.name).casefold()


def _tell_apart(films: Iterable[ArchiveFilm]) -> None:
    """Names that several films have get a number."""
    by_name: dict[str, list[ArchiveFilm]] = defaultdict(list)
    for film in films:
        by_name[film.name].append(film)
    for name, same in by_name.items():
        for number, film in enumerate(same[1:], 2):
            film.name = f"{name} ({number})"


def _shared(presence: Mapping[str, Sequence[tuple[float, float]]]) -> dict[tuple[str, str], float]:
    spans = sorted((start, end, person) for person, own in presence.items() for start, end in own)
    shared: dict[tuple[str, str], float] = defaultdict(float)
    present: list[tuple[float, str]] = []
    for start, end, person in spans:
        present = [other for other in present if other[0] > start]
        for other_end, other in present:
            pair = (person, other) if person < other else (other, person)
            shared[pair] += min(end, other_end) - start
        present.append((end, person))
    return {pair: seconds for pair, seconds in shared.items() if seconds > 0}


def _united(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    united: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = united[-1][0], max(united[-1][1], end)
        else:
            united.append((start, end))
    return united


def _cause(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)
