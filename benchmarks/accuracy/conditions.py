"""Ways to spoil a still of somebody, always the same: 25 hard conditions, and every 15 degrees, mirrored too."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.media import Image, Portrait
from stages.frames import FloatArray

__all__ = ["CLEAN", "HARD", "TURNED", "Condition", "ground", "paint"]

Alter = Callable[[Portrait], Image]
"""Changes the person: a new picture of the portrait's size."""
Worsen = Callable[[Image, float, np.random.Generator], Image]
"""Changes the picture, whose face is so many pixels high."""

NARROW = 0.62


@dataclass(frozen=True, slots=True)
class Condition:
    """How a still is made.

    Attributes:
        height: of the face's box, pixels of a picture of `size`.
        degrees: counter-clockwise; `mirrored` exchanges left and right before.
        quality: of the JPEG.
    """

    name: str
    height: float = 120
    degrees: float = 0
    mirrored: bool = False
    alter: Alter | None = None
    worsen: Worsen | None = None
    quality: int = 95
    size: tuple[int, int] = (1280, 720)

    def draw(self, portrait: Portrait) -> Image:
        """The picture, uint8 (H, W, 3), BGR, with the face in the middle."""
        rng = np.random.default_rng(zlib.crc32(f"{self.name} {portrait.name}".encode()))
        width, height = self.size
        picture = ground(self.size, int(rng.integers(4)))
        person = portrait.image if self.alter is None else self.alter(portrait)
        if self.mirrored:
            person = np.ascontiguousarray(person[:, ::-1])
        paint(picture, person, portrait.height, (width / 2, height / 2), self.height, self.degrees)
        return picture if self.worsen is None else self.worsen(picture, self.height, rng)

    def landmarks(self, portrait: Portrait) -> FloatArray:
        """Where the five points are in the picture, float32 (5, 2), left to right in the upright face."""
        side, points = portrait.image.shape[0], portrait.landmarks.astype(np.float64)
        if self.alter is _narrow:
            points[:, 0] = side / 2 + NARROW * (points[:, 0] - side / 2)
        if self.mirrored:
            points[:, 0] = side - points[:, 0]
            points = points[[1, 0, 2, 4, 3]]
        middle = (self.size[0] / 2, self.size[1] / 2)
        matrix = _placement(side, middle, self.height / portrait.height, self.degrees)
        return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def paint(
    picture: Image,
    person: Image,
    person_height: float,
    middle: tuple[float, float],
    height: float,
    degrees: float = 0.0,
    stretch: float = 1.0,
) -> None:
    """Put a person, within a soft ellipse, before what is in the picture.

    Args:
        person: uint8 (S, S, 3), the face in the middle and `person_height` pixels high.
        height: of the face in the picture; its width is multiplied by `stretch`.
    """
    scale, side = height / person_height, person.shape[0]
    matrix = _placement(side, middle, scale, degrees, stretch)
    if scale < 1:
        person = np.asarray(cv2.GaussianBlur(person, (0, 0), 0.4 / scale), np.uint8)
    opacity = np.zeros((side, side), np.float32)
    axes = (round(0.95 * person_height), round(1.1 * person_height))
    cv2.ellipse(opacity, (side // 2, side // 2), axes, 0, 0, 360, 1.0, cv2.FILLED)
    opacity = np.asarray(cv2.GaussianBlur(opacity, (0, 0), 0.06 * person_height), np.float32)
    reach = round(1.5 * height) + 2
    left, top = max(0, round(middle[0]) - reach), max(0, round(middle[1]) - reach)
    right, bottom = min(picture.shape[1], round(middle[0]) + reach), min(picture.shape[0], round(middle[1]) + reach)
    if right <= left or bottom <= top:
        return
    matrix[:, 2] -= (left, top)
    size = (right - left, bottom - top)
    above = cv2.warpAffine(person, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(opacity, matrix, size, flags=cv2.INTER_LINEAR)[..., None]
    part = picture[top:bottom, left:right]
    part[:] = np.asarray(above * weight + part * (1 - weight) + 0.5, np.uint8)


def _placement(
    side: int, middle: tuple[float, float], scale: float, degrees: float, stretch: float = 1.0
) -> NDArray[np.float64]:
    """(2, 3): from the person's pixels to the picture's."""
    turn = cv2.getRotationMatrix2D((0.0, 0.0), degrees, scale)[:, :2] @ np.diag([stretch, 1.0])
    return np.asarray(np.hstack([turn, (np.array(middle) - turn @ [side / 2, side / 2])[:, None]]))


def ground(size: tuple[int, int], number: int = 0) -> Image:
    """A background of soft spots and stripes; there are four."""
    key = (size, number)
    if key not in _GROUNDS:
        rng = np.random.default_rng(number + 1)
        image = np.full((size[1], size[0], 3), 90.0 + 20 * number)
        for cells, strength in ((1, 40), (4, 20), (12, 8)):
            spots = rng.normal(0, strength, (9 * cells, 16 * cells, 3))
            image += cv2.resize(spots, size, interpolation=cv2.INTER_CUBIC)
        _GROUNDS[key] = np.asarray(np.clip(image, 0, 255), np.uint8)
    return _GROUNDS[key].copy()


_GROUNDS: dict[tuple[tuple[int, int], int], Image] = {}


# -- what people wear and what stands before them --------------------------------------------------------------------


def _mask(portrait: Portrait) -> Image:
    image, points, height = portrait.image.copy(), portrait.landmarks, portrait.height
    down = _down(portrait)
    across = np.array([down[1], -down[0]])
    nose, mouth = points[2], points[3:].mean(axis=0)
    outline = [nose - 0.03 * height * down, nose + 0.34 * height * across + 0.02 * height * down]
    outline += [mouth + 0.28 * height * across + 0.1 * height * down, mouth + 0.24 * height * down]
    outline += [mouth - 0.28 * height * across + 0.1 * height * down, nose - 0.34 * height * across]
    cv2.fillPoly(image, [np.array(outline).round().astype(np.int32)], (214, 196, 168), cv2.LINE_AA)
    return image


def _sunglasses(portrait: Portrait) -> Image:
    image, height = portrait.image.copy(), portrait.height
    for eye in portrait.landmarks[:2]:
        middle = (round(float(eye[0])), round(float(eye[1])))
        cv2.ellipse(image, middle, (round(0.15 * height), round(0.11 * height)), 0, 0, 360, (24, 20, 20), cv2.FILLED)
    one, other = (tuple(int(side) for side in eye) for eye in portrait.landmarks[:2])
    cv2.line(image, one, other, (24, 20, 20), max(2, round(0.03 * height)))
    return image


def _half_covered(portrait: Portrait) -> Image:
    image = portrait.image.copy()
    side = image.shape[0]
    edge = round(float(portrait.landmarks[2, 0]) + 0.06 * portrait.height)
    image[:, edge:] = ground((side, side), 2)[:, edge:]
    return image


def _hand(portrait: Portrait) -> Image:
    """Over the mouth and one cheek."""
    image, height = portrait.image.copy(), portrait.height
    middle = portrait.landmarks[4] + np.array([0.12, -0.05], np.float32) * height
    place = (round(float(middle[0])), round(float(middle[1])))
    cv2.ellipse(image, place, (round(0.2 * height), round(0.32 * height)), 25, 0, 360, (120, 150, 190), cv2.FILLED)
    return image


def _narrow(portrait: Portrait) -> Image:
    """As if turned aside: the face at 62% of its width."""
    side = portrait.image.shape[0]
    squeezed = cv2.resize(portrait.image, (round(NARROW * side), side), interpolation=cv2.INTER_AREA)
    before = (side - squeezed.shape[1]) // 2
    after = side - squeezed.shape[1] - before
    return np.asarray(cv2.copyMakeBorder(squeezed, 0, 0, before, after, cv2.BORDER_REPLICATE), np.uint8)


def _down(portrait: Portrait) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """From the eyes to the mouth, of length 1."""
    way = portrait.landmarks[3:].mean(axis=0) - portrait.landmarks[:2].mean(axis=0)
    return np.asarray(way / np.linalg.norm(way), np.float32)


# -- what cameras and encoders do ------------------------------------------------------------------------------------


def _blurred(share: float) -> Worsen:
    return lambda image, height, rng: np.asarray(cv2.GaussianBlur(image, (0, 0), share * height), np.uint8)


def _moved(share: float) -> Worsen:
    return lambda image, height, rng: np.asarray(cv2.blur(image, (round(share * height), 1)), np.uint8)


def _lit(gain: float, *, plus: float = 0.0, noise: float = 0.0) -> Worsen:
    def worsen(image: Image, height: float, rng: np.random.Generator) -> Image:
        grain = rng.standard_normal(image.shape, np.float32) * noise if noise else 0.0
        return np.asarray(np.clip(gain * image.astype(np.float32) + plus + grain, 0, 255), np.uint8)

    return worsen


HARD: Sequence[Condition] = (
    *(Condition(f"{height} px of 720p", height=height) for height in (64, 48, 40, 32, 24)),
    Condition("turned 30", degrees=30),
    Condition("turned 45", degrees=45),
    Condition("turned -60, 64 px", height=64, degrees=-60),
    Condition("blur, 4% of the face", worsen=_blurred(0.04)),
    Condition("blur, 7% of the face", worsen=_blurred(0.07)),
    Condition("motion blur, 15% of the face", worsen=_moved(0.15)),
    Condition("noise, sigma 25", worsen=_lit(1, noise=25)),
    Condition("noise, sigma 50", worsen=_lit(1, noise=50)),
    Condition("JPEG 15", quality=15),
    Condition("JPEG 8", quality=8),
    Condition("mask", alter=_mask),
    Condition("sunglasses", alter=_sunglasses),
    Condition("half covered", alter=_half_covered),
    Condition("hand before the mouth", alter=_hand),
    Condition("dark, 1/5 of the light", worsen=_lit(0.2, noise=4)),
    Condition("overexposed", worsen=_lit(2.4, plus=20)),
    Condition("low contrast", worsen=_lit(0.2, plus=100, noise=3)),
    Condition("squeezed to 62%", alter=_narrow),
    Condition("40 px, noise and JPEG 40", height=40, worsen=_lit(1, noise=10), quality=40),
    Condition("tight, 150x150", height=138, size=(150, 150)),
)
CLEAN = Condition("clean, 120 px")
TURNED: Sequence[Condition] = tuple(
    Condition(f"{'mirrored, ' if mirrored else ''}{degrees} degrees", degrees=degrees, mirrored=mirrored)
    for mirrored in (False, True)
    for degrees in range(0, 360, 15)
    if degrees or mirrored
)
