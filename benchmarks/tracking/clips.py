"""Clips in which every face's place is known exactly: cut-outs moved by known transforms over textures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.tracking.people import Person, Pose
from stages.frames import FloatArray

__all__ = ["FPS", "HEIGHT", "WIDTH", "Actor", "Clip", "Image", "Path", "Truth"]

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
        kind: "calm", "moving", "crossing", "occluded", "posts" or "cuts".
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
