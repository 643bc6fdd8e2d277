"""When a person is to be seen, from the tables that runs have left."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.sink.folder import METADATA, TRACKS_CSV
from visage.clips.errors import ClipsRefused

__all__ = ["Appearance", "FilmAppearances", "Portrait", "find_appearances", "result_folders"]

EVERYBODY = "*"
UNKNOWN = "unknown"
FALLBACK_FPS = 25.0


@dataclass(frozen=True, slots=True)
class Appearance:
    """From when to when, in seconds of the film; the end is that of the last picture."""

    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Portrait:
    """A track's best shot: its time in seconds, its box in pixels of the upright picture, and its quality."""

    film: Path
    seconds: float
    box_xyxy: tuple[float, float, float, float]
    quality: float
    rotation: int = 0


@dataclass(slots=True)
class FilmAppearances:
    """A person in one film."""

    film: Path
    appearances: list[Appearance] = field(default_factory=list)
    portraits: list[Portrait] = field(default_factory=list)


def result_folders(paths: Sequence[Path]) -> list[Path]:
    """Return the folders with a run's results: those named, and those directly below them.

    Raises ClipsRefused where there are none.
    """
    found = []
    for path in paths:
        inside = [path] if (path / METADATA).is_file() else sorted(one.parent for one in path.glob(f"*/{METADATA}"))
        if not inside:
            raise ClipsRefused(f"{path}: no results of a run; name a folder that `--dst` named")
        found += inside
    return found


def find_appearances(
    folders: Sequence[Path], name: str, *, pad_seconds: float, films: Path | None = None
) -> dict[str, list[FilmAppearances]]:
    """Return each person's films in the order of the folders, by name.

    Args:
        name: whose, in any case; "*" for everybody who has a name.
        pad_seconds: added before and after; what then touches is one appearance.
        films: the folder where the films are now, if the results do not say.

    Raises:
        ClipsRefused: results are damaged, or nobody of that name is in them.
    """
    found: dict[str, list[FilmAppearances]] = {}
    names: set[str] = set()
    for folder in folders:
        metadata = _metadata(folder)
        film = Path(metadata["filepath"])
        film = film if films is None else films / film.name
        frame_seconds = 1 / (metadata.get("fps") or FALLBACK_FPS)
        tracks: dict[str, list[Mapping[str, str]]] = {}
        for row in _rows(folder / TRACKS_CSV):
            person = row.get("person") or ""
            if person and person != UNKNOWN:
                names.add(person)
                if name in (EVERYBODY, person) or name.casefold() == person.casefold():
                    tracks.setdefault(person, []).append(row)
        for person, rows in tracks.items():
            found.setdefault(person, []).append(_of_film(folder, film, rows, metadata, frame_seconds, pad_seconds))
    if not found:
        known = ", ".join(sorted(names)[:8]) or "nobody has a name there: run with --gallery, or visage people apply"
        raise ClipsRefused(f"nobody is called {name!r} in these results; there are: {known}")
    return found


def _of_film(
    folder: Path, film: Path, rows: Sequence[Mapping[str, str]], metadata: Mapping[str, Any], frame: float, pad: float
) -> FilmAppearances:
    result = FilmAppearances(film)
    rotation = int(metadata.get("rotation") or 0)
    spans = []
    try:
        for row in rows:
            spans.append((max(0.0, float(row["start"]) - pad), float(row["end"]) + frame + pad))
            box = (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"]))
            portrait = Portrait(film, float(row["best_timestamp"]), box, float(row["best_quality"]), rotation)
            result.portraits.append(portrait)
    except (KeyError, ValueError, TypeError) as error:
        raise ClipsRefused(f"{folder / TRACKS_CSV}: damaged; analyse the film again") from error
    result.appearances = [Appearance(*span) for span in _united(spans)]
    return result


def _united(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    united: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = united[-1][0], max(united[-1][1], end)
        else:
            united.append((start, end))
    return united


def _metadata(folder: Path) -> Mapping[str, Any]:
    try:
        metadata: Any = json.loads((folder / METADATA).read_text())
        if not isinstance(metadata["filepath"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise ClipsRefused(f"{folder / METADATA}: damaged; analyse the film again") from error
    return dict(metadata)


def _rows(table: Path) -> Iterator[Mapping[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            yield from csv.DictReader(file)
    except FileNotFoundError as error:
        raise ClipsRefused(f"{table}: not there; analyse the film with tracking and --dst") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ClipsRefused(f"{table}: damaged; analyse the film again") from error
