"""Clips in which every face's place is known exactly: cut-outs moved by known transforms over textures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.tracking.people import Person, Pose
from stages.frames import FloatArray

__all__ = ["FPS", "HEIGHT", "WIDTH", "Clip", "Truth", "all_clips"]

Image = NDArray[np.uint8]
Path = Callable[[int], Pose | None]

WIDTH, HEIGHT, FPS = 960, 540, 25


@dataclass(frozen=True, slots=True)
class Truth:
    """A face in a frame. `visible`: the share of it that is neither covered nor outside."""

    person: int
    box_xyxy: FloatArray
    landmarks: FloatArray
    visible: float


@dataclass(frozen=True, slots=True)
class Actor:
    """A person and the way it goes; None where it is not there. Later actors stand before earlier ones."""

    number: int
    person: Person
    path: Path


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of `frames` frames.

    Attributes:
        kind: "calm", "moving", "crossing", "occluded" or "cuts".
        texture: picks the background, by frame.
        post: columns of an upright bar before everybody.
        blur: length of the motion blur in pixels; noise: standard deviation in gray levels.
    """

    name: str
    kind: str
    actors: Sequence[Actor]
    frames: int = 100
    texture: Callable[[int], int] = lambda frame: 0
    post: tuple[int, int] | None = None
    blur: int = 0
    noise: float = 0.0

    def render(self) -> Iterator[tuple[Image, list[Truth]]]:
        """Every frame, uint8 (HEIGHT, WIDTH, 3), BGR, with what is to be seen in it."""
        rng = np.random.default_rng(7)
        for frame in range(self.frames):
            image = background(self.texture(frame)).copy()
            owner = np.full((HEIGHT, WIDTH), -1, np.int16)
            shown: list[tuple[Actor, Pose]] = []
            for actor in self.actors:
                pose = actor.path(frame)
                if pose is not None:
                    _paint(image, owner, actor, pose)
                    shown.append((actor, pose))
            if self.post is not None:
                left, right = self.post
                image[:, left:right] = background(3)[:, left:right]
                owner[:, left:right] = -1
            truths = [_truth(actor, pose, owner) for actor, pose in shown]
            if self.blur:
                image = np.asarray(cv2.blur(image, (self.blur, 1)), np.uint8)
            if self.noise:
                noise = rng.normal(0, self.noise, image.shape)
                image = np.asarray(np.clip(image + noise, 0, 255), np.uint8)
            yield image, truths


def all_clips(people: Sequence[Person]) -> list[Clip]:
    """The benchmark."""
    a, b, c, d, e = people[:5]
    sway = _sway(480, 270, 30, 12)
    clips = [
        Clip("one, calm", "calm", [Actor(0, a, sway)], 125),
        Clip(
            "two, calm",
            "calm",
            [Actor(0, b, _sway(300, 250, 40, 10)), Actor(1, c, _sway(650, 290, 25, 20))],
            125,
            _is(1),
        ),
        Clip(
            "walking", "moving", [Actor(0, d, _line(150, 260, 5.0)), Actor(1, e, _sway(700, 300, 60, 40))], 100, _is(2)
        ),
        Clip(
            "coming nearer, tilting",
            "moving",
            [Actor(0, a, _nearer(400, 270)), Actor(1, c, _tilt(720, 260))],
            100,
            _is(3),
        ),
        Clip(
            "blur and noise",
            "moving",
            [Actor(0, b, _sway(350, 270, 120, 20)), Actor(1, d, _sway(650, 270, 80, 30))],
            100,
            _is(2),
            blur=7,
            noise=8,
        ),
        Clip(
            "coming in and leaving",
            "moving",
            [Actor(0, a, _line(-120, 200, 9.0)), Actor(1, e, _line(1080, 380, -9.0))],
            150,
            _is(1),
        ),
        Clip(
            "five people",
            "moving",
            [
                Actor(k, person, _sway(120 + 180 * k, 200 + 70 * (k % 2), 25, 18, phase=k))
                for k, person in enumerate(people[:5])
            ],
            100,
            _is(2),
        ),
        Clip("cuts", "cuts", _cut_actors(people), 120, lambda frame: frame // 40),
        Clip("behind a post", "occluded", [Actor(0, c, _line(150, 270, 5.5))], 120, _is(1), post=(440, 590)),
        Clip(
            "two behind a post",
            "occluded",
            [Actor(0, a, _line(150, 170, 6.0)), Actor(1, b, _line(830, 390, -6.0))],
            120,
            _is(2),
            post=(430, 570),
        ),
    ]
    return clips + crossings(people)


def crossings(people: Sequence[Person]) -> list[Clip]:
    """Everybody meets everybody, at two speeds, at heights from full to partial cover."""
    clips = []
    pairs = [(one, other) for one in range(5) for other in range(5) if one < other]
    for number, (one, other) in enumerate(pairs):
        for speed in (5.0, 9.0):
            drop = (0, 30, 60)[number % 3]
            frames = round(700 / speed) + 10
            actors = [
                Actor(0, people[one], _line(130, 260 + drop, speed)),
                Actor(1, people[other], _line(830, 260, -speed)),
            ]
            clips.append(Clip(f"crossing {one}-{other} at {speed:g}", "crossing", actors, frames, _is(number % 3)))
    return clips


def background(number: int) -> Image:
    """One of four textures, always the same."""
    if number not in _BACKGROUNDS:
        _BACKGROUNDS[number] = _texture(number)
    return _BACKGROUNDS[number]


_BACKGROUNDS: dict[int, Image] = {}


def _texture(number: int) -> Image:
    rng = np.random.default_rng(number)
    image = np.zeros((HEIGHT, WIDTH, 3), np.float64)
    for cells, strength in [(6, 70), (24, 40), (96, 25)][: 1 + number % 3]:
        coarse = rng.normal(0, strength, (cells * HEIGHT // WIDTH + 2, cells, 3)).astype(np.float32)
        image += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    if number == 3:
        image += 40 * np.sign(np.sin(np.arange(WIDTH) / 6))[None, :, None]
    return np.asarray(np.clip(image + (90, 120, 70, 150)[number], 0, 255), np.uint8)


def _paint(image: Image, owner: NDArray[np.int16], actor: Actor, pose: Pose) -> None:
    matrix = actor.person.transform(pose)
    warped = cv2.warpAffine(actor.person.image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    opacity = cv2.warpAffine(actor.person.opacity, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    rows, columns = np.flatnonzero(opacity.any(axis=1)), np.flatnonzero(opacity.any(axis=0))
    if not len(rows):
        return
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    weight = opacity[part][..., None]
    image[part] = np.asarray(warped[part] * weight + image[part] * (1 - weight) + 0.5, np.uint8)
    owner[part][opacity[part] > 0.5] = actor.number


def _truth(actor: Actor, pose: Pose, owner: NDArray[np.int16]) -> Truth:
    box = actor.person.box(pose)
    left, top = np.maximum(np.floor(box[:2]), 0).astype(int)
    right, bottom = np.minimum(np.ceil(box[2:]), (WIDTH, HEIGHT)).astype(int)
    seen = int((owner[top : max(top, bottom), left : max(left, right)] == actor.number).sum())
    visible = min(1.0, seen / max(1.0, 0.93 * float(np.prod(box[2:] - box[:2]))))
    return Truth(actor.number, box, actor.person.points(pose), visible)


def _is(number: int) -> Callable[[int], int]:
    return lambda frame: number


def _sway(x: float, y: float, across: float, down: float, *, phase: float = 0) -> Path:
    def pose(frame: int) -> Pose:
        angle = frame / FPS * 1.8 + phase
        return Pose(x + across * math.sin(angle), y + down * math.sin(1.7 * angle), 1 + 0.05 * math.sin(0.7 * angle))

    return pose


def _line(x: float, y: float, speed: float) -> Path:
    return lambda frame: Pose(x + speed * frame, y + 6 * math.sin(frame / 4), 1.0, 3 * math.sin(frame / 7))


def _nearer(x: float, y: float) -> Path:
    return lambda frame: Pose(x - 0.8 * frame, y, 0.6 * math.exp(frame / 100), 2 * math.sin(frame / 9))


def _tilt(x: float, y: float) -> Path:
    return lambda frame: Pose(x, y + 15 * math.sin(frame / 10), 0.9, 18 * math.sin(frame / 12))


def _cut_actors(people: Sequence[Person]) -> list[Actor]:
    """Three shots of 40 frames; two people stand where somebody else stood before."""

    def during(shot: int, path: Path) -> Path:
        return lambda frame: path(frame) if frame // 40 == shot else None

    return [
        Actor(0, people[0], during(0, _sway(400, 270, 30, 10))),
        Actor(1, people[1], during(1, _sway(400, 270, 30, 10))),
        Actor(2, people[2], during(2, _sway(420, 260, 30, 10))),
        Actor(3, people[3], during(2, _sway(700, 260, 30, 10))),
    ]
