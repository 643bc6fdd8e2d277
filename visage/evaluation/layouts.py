"""Folders of pictures with known answers, as `visage eval` reads them.

Detection: `boxes.csv` with the columns image,x1,y1,x2,y2 and maybe ignore (a picture without a face: empty boxes); or
WIDER FACE's `wider_face_*_bbx_gt.txt`, with the pictures beside it or in `images/`.

Verification: a folder a person, pictures in them. With LFW's `pairs.txt` its pairs, else every pair there is. Or
IJB-style: `templates.csv` (template,subject,image; a template's embeddings are averaged) and maybe `pairs.csv`
(template_1,template_2).

Identification: `gallery/` and `probes/`, each with a folder a person; people of `probes/` who are not in `gallery/` are
the strangers.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.decode.suffixes import PHOTOGRAPH_SUFFIXES, is_left_out
from visage.evaluation.detection import TrueFaces

__all__ = [
    "LayoutError",
    "Template",
    "number_in",
    "read_detection",
    "read_identification",
    "read_people",
    "read_verification",
    "table_rows",
]

IGNORED_UNDER = 10  # pixels of height: WIDER FACE's own lower bound

# WIDER FACE: x y w h blur expression illumination invalid occlusion pose
WIDER_FIELDS, WIDER_INVALID = 10, 7


class LayoutError(ValueError):
    """The folder is in none of the layouts; the message names the file and line."""


@dataclass(frozen=True, slots=True)
class Template:
    """Pictures of one person that are taken as one: their embeddings are averaged."""

    name: str
    person: str
    pictures: tuple[Path, ...]


def read_detection(folder: Path) -> Mapping[Path, TrueFaces]:
    """Pictures and their faces. Raises LayoutError."""
    table = folder / "boxes.csv"
    wider = next(iter(sorted(folder.glob("wider_face_*_bbx_gt.txt"))), None)
    if table.exists():
        rows: dict[Path, list[tuple[float, ...]]] = {}
        for line, row in table_rows(table, ("image", "x1", "y1", "x2", "y2")):
            faces = rows.setdefault(folder / row["image"], [])
            if row["x1"]:
                box = [number_in(row[side], table, line) for side in ("x1", "y1", "x2", "y2")]
                faces.append((*box, number_in(row.get("ignore") or "0", table, line)))
        return {path: _faces(faces) for path, faces in rows.items()}
    if wider is not None:
        images = next((place for place in (folder / "images", folder) if place.is_dir()), folder)
        return dict(_read_wider(wider, images))
    raise LayoutError(f"{folder} has neither boxes.csv nor wider_face_*_bbx_gt.txt: one of them is needed")


def read_verification(folder: Path) -> tuple[Mapping[str, Template], Sequence[tuple[str, str]]]:
    """Templates by name, and the pairs of names to compare. Raises LayoutError."""
    if (folder / "templates.csv").exists():
        templates = _read_templates(folder)
        pairs_file = folder / "pairs.csv"
        if pairs_file.exists():
            rows = table_rows(pairs_file, ("template_1", "template_2"))
            pairs = [(row["template_1"], row["template_2"]) for _, row in rows]
        else:
            pairs = list(itertools.combinations(templates, 2))
    else:
        templates = {
            f"{person}/{path.name}": Template(f"{person}/{path.name}", person, (path,))
            for person, paths in read_people(folder).items()
            for path in paths
        }
        pairs = list(_read_lfw(folder / "pairs.txt", templates)) or list(itertools.combinations(templates, 2))
    for name in itertools.chain.from_iterable(pairs):
        if name not in templates:
            raise LayoutError(f"a pair in {folder} names {name}, which is not there; add it or remove the pair")
    kinds = {templates[first].person == templates[second].person for first, second in pairs}
    if len(kinds) < 2:  # noqa: PLR2004 - of one person, and of two
        lacking = "different people" if True in kinds else "one person"
        raise LayoutError(f"{folder} has no pair of {lacking}; both kinds are needed")
    return templates, pairs


def read_identification(folder: Path) -> tuple[Mapping[str, Template], Mapping[str, Template]]:
    """The gallery's and the probes' pictures, by path, each a template of its own. Raises LayoutError."""
    gallery, probes = (
        {
            str(path): Template(str(path), person, (path,))
            for person, paths in read_people(folder / side).items()
            for path in paths
        }
        for side in ("gallery", "probes")
    )
    if {probe.person for probe in probes.values()}.isdisjoint(entry.person for entry in gallery.values()):
        raise LayoutError(f"{folder}: no person in probes/ is in gallery/; give both folders of a person the same name")
    return gallery, probes


def read_people(folder: Path) -> Mapping[str, Sequence[Path]]:
    """Pictures by person: a folder each. Raises LayoutError."""
    people = {
        place.name: sorted(path for path in place.iterdir() if _is_photograph(path))
        for place in sorted(folder.iterdir() if folder.is_dir() else ())
        if place.is_dir() and not is_left_out(place.name)
    }
    people = {name: paths for name, paths in people.items() if paths}
    if not people:
        raise LayoutError(f"{folder} has no folders with pictures; make one for each person")
    return people


def _read_wider(listing: Path, images: Path) -> Iterator[tuple[Path, TrueFaces]]:
    lines = listing.read_text(encoding="utf-8").split("\n")
    number = 0
    while number < len(lines) and lines[number].strip():
        picture, count = images / lines[number].strip(), int(number_in(_line(lines, number + 1), listing, number + 2))
        faces = []
        for line in range(number + 2, number + 2 + max(1, count)):  # a picture without faces has one line of zeros
            fields = [number_in(field, listing, line + 1) for field in _line(lines, line).split()]
            if len(fields) < WIDER_FIELDS:
                raise LayoutError(f"{listing}, line {line + 1}: ten numbers were expected, x y w h and six marks")
            x, y, w, h = fields[:4]
            if count:
                faces.append((x, y, x + w, y + h, float(fields[WIDER_INVALID] or h < IGNORED_UNDER)))
        yield picture, _faces(faces)
        number += 2 + max(1, count)


def _line(lines: Sequence[str], number: int) -> str:
    """Empty beyond the end: a listing that was cut off is refused for what it lacks."""
    return lines[number] if number < len(lines) else ""


def _read_templates(folder: Path) -> Mapping[str, Template]:
    pictures: dict[str, list[Path]] = {}
    people: dict[str, str] = {}
    for _, row in table_rows(folder / "templates.csv", ("template", "subject", "image")):
        pictures.setdefault(row["template"], []).append(folder / row["image"])
        people[row["template"]] = row["subject"]
    return {name: Template(name, people[name], tuple(paths)) for name, paths in pictures.items()}


def _read_lfw(listing: Path, templates: Mapping[str, Template]) -> Iterator[tuple[str, str]]:
    """`name n m`, or `name n other m`; other lines (the header) are counts."""
    if not listing.exists():
        return
    names = {Path(name).with_suffix("").name: name for name in templates}
    for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split()
        if len(fields) not in (3, 4):  # with one name, and with two
            continue
        first, second = (fields[0], fields[1]), (fields[-2] if len(fields) > 3 else fields[0], fields[-1])  # noqa: PLR2004
        keys = [f"{person}_{int(number_in(index, listing, number)):04d}" for person, index in (first, second)]
        missing = [key for key in keys if key not in names]
        if missing:
            raise LayoutError(f"{listing}, line {number}: there is no picture {missing[0]}")
        yield names[keys[0]], names[keys[1]]


def table_rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise LayoutError(f"{table} has no column {missing[0]}; it needs {', '.join(columns)}")
        for number, row in enumerate(reader, 2):
            yield number, {name: value or "" for name, value in row.items() if name}


def _faces(rows: Sequence[tuple[float, ...]]) -> TrueFaces:
    values = np.array(rows, np.float32).reshape(-1, 5)
    return TrueFaces(values[:, :4], values[:, 4] > 0)


def number_in(text: str, file: Path, line: int) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise LayoutError(f"{file}, line {line}: {text!r} is not a number") from error


def _is_photograph(path: Path) -> bool:
    return path.suffix.lower() in PHOTOGRAPH_SUFFIXES and not is_left_out(path.name)
