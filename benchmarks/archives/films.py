"""A film like those of an archive: scenes of one to twelve seconds, some without faces, cut hard, key frames at cuts.

The pictures are those of `visage bench`; the encoder places key frames as it does by default: at cuts, and at least
every 250 frames. The film is made once and repeated without encoding, so that hours of it cost seconds to make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from visage.bench.clip import excerpt

__all__ = ["RARE", "SCENES", "ArchiveFilm", "Scene"]

RARE = "biden"
"""Is in one scene of three seconds, a twentieth of the film."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A shot of so many seconds with these people, by the names of their photographs."""

    seconds: float
    people: tuple[str, ...]


SCENES = (
    Scene(6.5, ("obama",)),
    Scene(4.0, ()),
    Scene(2.5, ("single_face",)),
    Scene(12.0, ("obama2", "single_face")),
    Scene(1.5, ()),
    Scene(3.0, (RARE,)),
    Scene(7.0, ("obama3",)),
    Scene(5.5, ()),
    Scene(1.0, ("single_face",)),
    Scene(9.0, ("obama",)),
    Scene(8.0, ()),
)
"""A minute."""

PARTS = {"biden": 0.4, "obama2": 0.9, "obama3": 0.5}
"""Upper part of a photograph that is used, of those that show more than a portrait."""

MOTION_PIXELS = 24


@dataclass(frozen=True, slots=True)
class ArchiveFilm:
    """What to make: size in pixels, frames a second, the encoder with its options, and how often it is repeated."""

    width: int = 1280
    height: int = 720
    fps: int = 24
    encoder: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("preset", "veryfast"), ("g", "250"), ("crf", "23"))
    times: int = 20

    def make(self, target: Path, photograph: Callable[[str], Path]) -> int:
        """Write the film as Matroska, unless it is there; returns its frames. Raises OutputFailed."""
        frames = sum(round(scene.seconds * self.fps) for scene in SCENES)
        one = target.with_name(f"{target.stem}-once.mkv")
        if not one.exists():
            self._encode(one, photograph)
        if not target.exists():
            excerpt(one, target, frames=frames, times=self.times)
        return frames * self.times

    def _encode(self, target: Path, photograph: Callable[[str], Path]) -> None:
        rng = np.random.default_rng(1)
        grain = rng.normal(0, 3.0, (self.height + 64, self.width + 64, 1)).round().astype(np.int16).repeat(3, axis=2)
        part = target.with_name(f"{target.name}.part")
        with av.open(str(part), "w", format="matroska") as container:
            stream = container.add_stream(self.encoder, rate=self.fps, options=dict(self.options))
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = self.width, self.height, "yuv420p"
            for number, scene in enumerate(SCENES):
                background = self._background(np.random.default_rng(100 + number))
                portraits = [self._portrait(photograph, name) for name in scene.people]
                for frame in range(round(scene.seconds * self.fps)):
                    image = self._picture(background, portraits, frame / self.fps)
                    x, y = rng.integers(0, 64, 2)
                    noise = grain[y : y + self.height, x : x + self.width]
                    image = np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
            container.mux(stream.encode())
        part.replace(target)

    def _background(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        size = self.width + MOTION_PIXELS, self.height + MOTION_PIXELS
        octaves = [cv2.resize(rng.normal(0, 40 / 2**n, (9 << n, 16 << n, 3)), size) for n in range(5)]
        return np.asarray(np.clip(rng.uniform(60, 160) + sum(octaves), 0, 255), np.uint8)

    def _portrait(self, photograph: Callable[[str], Path], name: str) -> NDArray[np.uint8]:
        image = cv2.imread(str(photograph(f"{name}.jpg")), cv2.IMREAD_COLOR)
        assert image is not None, name
        image = image[: round(PARTS.get(name, 1.0) * len(image))]
        scale = 0.8 * self.height / len(image)
        return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)

    def _picture(
        self, background: NDArray[np.uint8], portraits: list[NDArray[np.uint8]], seconds: float
    ) -> NDArray[np.uint8]:
        pan = round((1 + np.sin(seconds)) * MOTION_PIXELS / 2)
        image = background[pan : pan + self.height, pan : pan + self.width].copy()
        for place, portrait in enumerate(portraits):
            height, width = portrait.shape[:2]
            middle = (place + 0.5) / len(portraits) * self.width
            left = int(np.clip(middle - width / 2 + 12 * np.sin(seconds + place), 0, self.width - width))
            top = int(self.height * 0.1 + 8 * np.cos(0.7 * seconds + place))
            image[top : top + height, left : left + width] = portrait[: self.height - top]
        return image
