"""Films with known faces, as `visage eval video` reads them: each film with its truth beside it, under the same name.

`movie.csv` has the columns frame (or frame_num, as in Visage's own tables), x1,y1,x2,y2 and maybe person and ignore. It
judges the frames that have a row; a frame without faces has one with empty boxes. One person is called the same in all
films; a face without a name counts for detection only.

`movie.txt` or `movie/gt/gt.txt` is a MOTChallenge listing: frame (from 1), id, left, top, width, height, and maybe a
mark that is 0 for boxes to be ignored. `movie.xml` is CVAT's export "CVAT for video 1.1". Both judge every frame up to
the last that they cover, and their ids hold within the film; a text attribute called person, name or identity names a
CVAT track in all films.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from stages.decode.suffixes import VIDEO_SUFFIXES, is_left_out
from stages.frames import FloatArray
from visage.evaluation.layouts import LayoutError, number_in, table_rows

__all__ = ["FilmTruth", "FrameTruth", "read_films"]

MIN_MOT_FIELDS = 6
MOT_MARK = 6  # index of the field that is 0 for a box to be ignored
NAMING_ATTRIBUTES = ("person", "name", "identity")

Row = tuple[float, float, float, float, str, bool]
"""left, top, right, bottom, person ("" for none), ignored."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameTruth:
    """The faces of one frame.

    Attributes:
        boxes_xyxy: float32 (N, 4), pixels of the upright frame.
        persons: whose they are, "" where it is not known.
        ignored: bool (N,), too blurred, hidden or small to count.
    """

    boxes_xyxy: FloatArray
    persons: tuple[str, ...]
    ignored: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FilmTruth:
    """A film and what is known of it; `frames`: those that are judged, by index from 0."""

    film: Path
    table: Path
    frames: Mapping[int, FrameTruth]


def read_films(folder: Path) -> Sequence[FilmTruth]:
    """Every film of a folder with its truth, by name. Raises LayoutError: one has no truth, or a damaged one."""
    films = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file() and not is_left_out(path.name)
    )
    if not films:
        raise LayoutError(f"{folder} has no films; put each beside its truth: movie.mp4 and movie.csv, .txt or .xml")
    return [_read_film(film) for film in films]


def _read_film(film: Path) -> FilmTruth:
    stem = film.with_suffix("")
    readers = {
        film.with_suffix(".csv"): _read_csv,
        film.with_suffix(".txt"): _read_mot,
        stem / "gt" / "gt.txt": _read_mot,
        film.with_suffix(".xml"): _read_cvat,
    }
    tables = [path for path in readers if path.is_file()]
    if len(tables) != 1:
        found = " and ".join(path.name for path in tables) or "no truth"
        raise LayoutError(f"{film} has {found} beside it; one of {film.stem}.csv, .txt (MOT) and .xml (CVAT) is needed")
    (table,) = tables
    frames = readers[table](table)
    if not frames:
        raise LayoutError(f"{table} has no frames")
    return FilmTruth(film, table, {frame: _frame(frames[frame]) for frame in sorted(frames)})


def _read_csv(table: Path) -> dict[int, list[Row]]:
    frames: dict[int, list[Row]] = {}
    for line, row in table_rows(table, ("x1", "y1", "x2", "y2")):
        name = next((column for column in ("frame", "frame_num") if column in row), None)
        if name is None:
            raise LayoutError(f"{table} has no column frame; it needs frame, x1, y1, x2, y2")
        faces = frames.setdefault(_index(row[name], table, line), [])
        if row["x1"]:
            left, top, right, bottom = (number_in(row[side], table, line) for side in ("x1", "y1", "x2", "y2"))
            ignored = number_in(row.get("ignore") or "0", table, line) > 0
            faces.append(_checked((left, top, right, bottom, row.get("person", ""), ignored), table, line))
    return frames


def _read_mot(listing: Path) -> dict[int, list[Row]]:
    frames: dict[int, list[Row]] = {}
    with listing.open(encoding="utf-8", newline="") as file:
        for line, fields in enumerate(csv.reader(file), 1):
            if not fields:
                continue
            if len(fields) < MIN_MOT_FIELDS:
                raise LayoutError(f"{listing}, line {line}: frame, id, left, top, width, height were expected")
            left, top, width, height = (number_in(field, listing, line) for field in fields[2:6])
            mark = number_in(fields[MOT_MARK], listing, line) if len(fields) > MOT_MARK else 1.0
            frame = _index(fields[0], listing, line) - 1
            if frame < 0:
                raise LayoutError(f"{listing}, line {line}: MOT's frames are counted from 1")
            person = f"{listing.parent.parent.name if listing.name == 'gt.txt' else listing.stem}:{fields[1].strip()}"
            row = (left, top, left + width, top + height, person, mark == 0)
            frames.setdefault(frame, []).append(_checked(row, listing, line))
    return {frame: frames.get(frame, []) for frame in range(max(frames) + 1)} if frames else {}


def _read_cvat(export: Path) -> dict[int, list[Row]]:
    try:
        root = ElementTree.parse(export).getroot()
    except ElementTree.ParseError as error:
        raise LayoutError(f"{export} is not XML: {error}") from error
    tracks = root.findall("track")
    if not tracks:
        raise LayoutError(f'{export} has no tracks; export the task as "CVAT for video 1.1"')
    if any(track.get("label") == "face" for track in tracks):
        tracks = [track for track in tracks if track.get("label") == "face"]
    shown = [found for track in tracks for found in _cvat_track(track, export)]
    first, last, step = _cvat_stretch(root, export, [frame for frame, _ in shown])
    frames: dict[int, list[Row]] = {frame: [] for frame in range(first, last + 1, step)}
    for frame, row in shown:
        if frame in frames:
            frames[frame].append(row)
    return frames


def _cvat_track(track: ElementTree.Element, export: Path) -> Iterator[tuple[int, Row]]:
    """The boxes of a track, those between two that are given straight between them."""
    name = f"{export.stem}:{track.get('id', '')}"
    given: list[tuple[int, list[float], bool, bool]] = []
    for box in track.findall("box"):
        sides = [number_in(box.get(side) or "", export, 0) for side in ("xtl", "ytl", "xbr", "ybr")]
        texts = {attribute.get("name", ""): (attribute.text or "").strip() for attribute in box.findall("attribute")}
        name = next((texts[key] for key in NAMING_ATTRIBUTES if texts.get(key)), name)
        given.append(
            (_index(box.get("frame") or "", export, 0), sides, box.get("outside") == "1", texts.get("ignore") == "true")
        )
    given.sort(key=lambda one: one[0])
    for one, other in pairwise(given):
        if not one[2]:
            for frame in range(one[0], other[0]):
                share = 0.0 if other[2] else (frame - one[0]) / (other[0] - one[0])
                left, top, right, bottom = (a + share * (b - a) for a, b in zip(one[1], other[1], strict=True))
                yield frame, (left, top, right, bottom, name, one[3])
    if given and not given[-1][2]:
        left, top, right, bottom = given[-1][1]
        yield given[-1][0], (left, top, right, bottom, name, given[-1][3])


def _cvat_stretch(root: ElementTree.Element, export: Path, shown: Sequence[int]) -> tuple[int, int, int]:
    """First and last frame and the step, as the export states them; else those that have boxes."""
    texts = {
        name: (found.text or "").strip()
        for name in ("start_frame", "stop_frame", "frame_filter")
        if (found := root.find(f"meta/*/{name}")) is not None
    }
    first = _index(texts.get("start_frame") or str(min(shown, default=0)), export, 0)
    last = _index(texts.get("stop_frame") or str(max(shown, default=0)), export, 0)
    step = texts.get("frame_filter", "").removeprefix("step=") or "1"
    return first, last, max(1, _index(step, export, 0))


def _index(text: str, table: Path, line: int) -> int:
    value = number_in(text, table, line)
    if not (value >= 0 and value.is_integer()):
        raise LayoutError(f"{table}, line {line}: {text!r} is not a frame number")
    return int(value)


def _checked(row: Row, table: Path, line: int) -> Row:
    left, top, right, bottom = row[:4]
    if not (np.isfinite(row[:4]).all() and right > left and bottom > top):
        raise LayoutError(f"{table}, line {line}: a box needs x2 > x1 and y2 > y1, or a width and height above 0")
    return row


def _frame(rows: Sequence[Row]) -> FrameTruth:
    return FrameTruth(
        np.array([row[:4] for row in rows], np.float32).reshape(-1, 4),
        tuple(row[4] for row in rows),
        np.array([row[5] for row in rows], bool),
    )
