"""Ways to film a portrait: moved by known transforms before a texture, so that its face's place is known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.people.cast import Portrait

__all__ = ["SCENES", "Place", "Scene"]

FPS = 25
MARGIN = 1.0
"""Of the face's height that is shown around it, within an ellipse."""

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the face's middle is, its height in pixels, and its tilt."""

    x: float
    y: float
    height: float
    degrees: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A way to film somebody.

    Attributes:
        height: of the face, pixels, in the mean.
        tilt: how far it is turned to both sides, degrees.
        blur: length of the motion blur, in faces.
        gain, noise: of the exposure, and the noise's standard deviation in gray levels.
        quality: x264's constant rate factor; 23 is its default.
        whole: the whole photograph moves, instead of the face alone.
    """

    name: str
    height: float
    tilt: float = 3.0
    blur: float = 0.0
    gain: float = 1.0
    noise: float = 0.0
    quality: int = 23
    size: tuple[int, int] = (640, 360)
    whole: bool = False
    frames: int = 24

    def place(self, frame: int) -> Place:
        """The face's place in a frame."""
        angle, (width, height) = frame / FPS * 2.2, self.size
        return Place(
            width / 2 + 0.12 * width * math.sin(angle),
            height / 2 + 0.04 * height * math.sin(1.7 * angle),
            self.height * (1 + 0.1 * math.sin(0.9 * angle)),
            self.tilt * math.sin(1.3 * angle + 0.5),
        )

    def write(self, portrait: Portrait, target: Path) -> None:
        """Make the clip."""
        rng = np.random.default_rng(3)
        draw = self._drawer(portrait)
        with av.open(str(target), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=FPS)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = *self.size, "yuv420p"
            stream.options = {"crf": str(self.quality), "preset": "veryfast", "threads": "2"}
            for number in range(self.frames):
                image = self._worsened(draw(self.place(number)), rng)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
            container.mux(stream.encode())

    def still(self, portrait: Portrait, *, covered: float = 0.0) -> Image:
        """One picture with the face in its middle, tilted by `tilt`, the lower part `covered` of its height hidden."""
        width, height = self.size
        place = Place(width / 2, height / 2, self.height, self.tilt)
        image = self._drawer(portrait)(place)
        if covered:
            top = round(place.y + (0.5 - covered) * self.height)
            left, right = (round(place.x + side * 0.5 * self.height) for side in (-1, 1))
            image[top : round(place.y + 0.7 * self.height), left:right] = (190, 170, 120)
        return self._worsened(image, np.random.default_rng(3))

    def _drawer(self, portrait: Portrait) -> Callable[[Place], Image]:
        left, top, right, bottom = (float(side) for side in portrait.face.box_xyxy)
        middle, height = ((left + right) / 2, (top + bottom) / 2), bottom - top
        scale = self.height / height
        photograph = portrait.photograph
        if scale < 1:
            photograph = np.asarray(cv2.GaussianBlur(photograph, (0, 0), 0.4 / scale), np.uint8)
        opacity = np.zeros(photograph.shape[:2], np.float32)
        if self.whole:
            opacity[:] = 1
        else:
            axes = (round((0.5 + 0.7 * MARGIN) * height), round((0.5 + MARGIN) * height))
            cv2.ellipse(opacity, (round(middle[0]), round(middle[1])), axes, 0, 0, 360, 1.0, cv2.FILLED)
        ground = _ground(self.size)

        def draw(place: Place) -> Image:
            matrix = cv2.getRotationMatrix2D(middle, place.degrees, place.height / height)
            matrix[:, 2] += (place.x - middle[0], place.y - middle[1])
            above = cv2.warpAffine(photograph, matrix, self.size, flags=cv2.INTER_LINEAR)
            weight = cv2.warpAffine(opacity, matrix, self.size, flags=cv2.INTER_LINEAR)[..., None]
            return np.asarray(above * weight + ground * (1 - weight) + 0.5, np.uint8)

        return draw

    def _worsened(self, image: Image, rng: np.random.Generator) -> Image:
        if self.blur:
            image = np.asarray(cv2.blur(image, (round(self.blur * self.height), 1)), np.uint8)
        if self.gain == 1 and not self.noise:
            return image
        noise = rng.normal(0, self.noise, image.shape) if self.noise else 0.0
        return np.asarray(np.clip(self.gain * image + noise, 0, 255), np.uint8)


SCENES = (
    Scene("close", 160),
    Scene("middle", 80),
    Scene("small", 40),
    Scene("tiny", 24),
    Scene("far, 1080p", 60, size=(1920, 1080)),
    Scene("tilted", 80, tilt=30),
    Scene("blurred", 80, blur=0.12, noise=6),
    Scene("dim", 80, gain=0.25, noise=5),
    Scene("compressed", 80, quality=40),
    Scene("whole photograph", 70, whole=True),
)


def _ground(size: tuple[int, int]) -> Image:
    rng = np.random.default_rng(1)
    image = 110 + sum(
        cv2.resize(rng.normal(0, strength, (9 * cells, 16 * cells, 3)), size, interpolation=cv2.INTER_CUBIC)
        for cells, strength in ((1, 40), (4, 20))
    )
    return np.asarray(np.clip(image, 0, 255), np.uint8)
