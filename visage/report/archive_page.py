"""The archive as a page that needs no server: `report.html`, an index, and parts that it loads as scripts.

Browsers let a page from a disk load scripts, but no data. So each part is a script that hands its data over. The index
has a line a film and a person; details are in parts of `FILMS_A_PART` films and `PEOPLE_A_PART` people.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2

from visage.report.archive import Archive
from visage.storage.atomic_write import atomic_write

__all__ = ["write_archive_page"]

FILMS_A_PART = 25
PEOPLE_A_PART = 25
MAX_PAIRS = 2000
MAX_SPANS = 400
"""Of one person in one film: beyond, a timeline shows no more."""
DATA = "report-data"


def write_archive_page(archive: Archive, folder: Path) -> Path:
    """Write the page and its data for their owner alone; returns the page's path. Raises OSError.

    The page comes last, so that it never leads to parts that are not there.
    """
    data = folder / DATA
    part = data.with_name(data.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        for name, content in _parts(archive):
            text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            atomic_write(part / f"{name}.js", f'archive("{name}",{_safe(text)})\n'.encode())
        shutil.rmtree(data, ignore_errors=True)
        part.replace(data)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("visage.report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    made_at = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    page = environment.get_template("archive.html").render(
        made_at=made_at, films=len(archive.films), people=len(_people(archive)), data=DATA
    )
    path = folder / "report.html"
    atomic_write(path, page.encode())
    return path


def _parts(archive: Archive) -> Iterator[tuple[str, Any]]:
    people = _people(archive)
    number_of = {person: number for number, person in enumerate(people)}
    films_of: list[list[list[Any]]] = [[] for _ in people]
    films, details = [], []
    for at, film in enumerate(archive.films):
        presence = film.presence()
        times = {person: sum(end - start for start, end in spans) for person, spans in presence.items()}
        cast = sorted(times, key=lambda person: -times[person])
        for person in cast:
            spans = presence[person]
            films_of[number_of[person]].append([at, _round(times[person]), _round(spans[0][0]), _round(spans[-1][1])])
        films.append([film.name, _round(film.seconds), len(cast), film.about])
        details.append(
            {
                "uri": film.uri,
                "scales": {scale: _round(seconds) for scale, seconds in film.scales.items()},
                "cast": [
                    [number_of[person], _round(times[person]), _flat(presence[person][:MAX_SPANS])] for person in cast
                ],
            }
        )
    totals = [[person, _round(sum(one[1] for one in films_of[n])), len(films_of[n])] for n, person in enumerate(people)]
    yield (
        "index",
        {
            "films": films,
            "people": totals,
            "columns": archive.columns,
            "filmsAPart": FILMS_A_PART,
            "peopleAPart": PEOPLE_A_PART,
        },
    )
    for begin in range(0, len(details), FILMS_A_PART):
        yield f"films-{begin // FILMS_A_PART}", details[begin : begin + FILMS_A_PART]
    for begin in range(0, len(people), PEOPLE_A_PART):
        yield f"people-{begin // PEOPLE_A_PART}", films_of[begin : begin + PEOPLE_A_PART]
    pairs = sorted(archive.together().items(), key=lambda item: -item[1][0])[:MAX_PAIRS]
    yield (
        "pairs",
        [[number_of[one], number_of[other], _round(seconds), count] for (one, other), (seconds, count) in pairs],
    )
    yield "scales", {column: archive.scales_by(column) for column in archive.columns}


def _people(archive: Archive) -> list[str]:
    return sorted({track.person for film in archive.films for track in film.tracks}, key=str.casefold)


def _flat(spans: list[tuple[float, float]]) -> list[float]:
    return [_round(side) for span in spans for side in span]


def _round(seconds: float) -> float:
    return round(seconds, 1)


def _safe(text: str) -> str:
    """JSON that any script may hold."""
    return text.replace("</", "<\\/").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
