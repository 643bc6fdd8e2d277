"""The clips of a benchmark: one made from sample photographs, parts and loops of others.

The made clip costs what film costs: 1080p H.264 with B frames, at a streaming service's bit rate, with grain, so that
the decoder has residuals to decode everywhere. Its faces are photographs moved by known transforms; the same recipe
composes the same pictures everywhere. Clips appear whole or not at all.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from stages.decode.demux import Demuxer
from stages.decode.numbering import VideoPacket
from stages.errors import OutputFailed

__all__ = ["Clip", "ClipRecipe", "excerpt", "make_clip"]

VERSION = 1
"""Part of the file's name: another content needs another number."""

# Name, and the upper part of the photograph that is used.
PORTRAITS = (("obama.jpg", 1.0), ("biden.jpg", 0.4), ("single_face.jpg", 1.0), ("obama2.jpg", 0.9), ("obama3.jpg", 0.5))
CAST = (3, 5, 2, 4, 3)
"""Faces of one scene after the other."""

SCENE_SECONDS = 2
GRAIN_SIGMA = 3.0
"""Grey levels, about that of 35 mm film scanned at this size."""

MARGIN = 64
"""Pixels by which the background is larger than the frame, so that it can pan."""

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ClipRecipe:
    """The clip to make: pixels, frames, frames a second and bits a second. The defaults are those of `visage bench`."""

    width: int = 1920
    height: int = 1080
    frames: int = 240
    fps: int = 24
    bit_rate: int = 8_000_000
    encoder: str = "libx264"

    @property
    def file_name(self) -> str:
        """The name of the clip's file, different for every recipe and version."""
        codec = "" if self.encoder == "libx264" else f"-{self.encoder}"
        return f"faces-{self.width}x{self.height}-{self.frames}{codec}-v{VERSION}.mp4"


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip as its packets describe it: frames, pixels, frames a second and bytes."""

    path: Path
    frames: int
    width: int
    height: int
    fps: float | None
    codec: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> Clip:
        """Read a clip by counting its packets. Raises SourceError."""
        demuxer = Demuxer(str(path))
        try:
            frames = sum(1 for _ in demuxer.packets())
            codec = demuxer.stream.codec_context
            return cls(path, frames, codec.width, codec.height, demuxer.fps, codec.name, path.stat().st_size)
        finally:
            demuxer.close()


def make_clip(path: Path, recipe: ClipRecipe, photograph: Callable[[str], Path]) -> None:
    """Compose and encode the clip; `photograph` gives a sample's path by its name. Raises OutputFailed."""
    scenery = _Scenery(recipe, [_portrait(photograph(name), part) for name, part in PORTRAITS])
    with _staged(path) as part, av.open(part, "w", format="mp4") as container:
        stream = container.add_stream(recipe.encoder, rate=recipe.fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
        stream.bit_rate = recipe.bit_rate
        # A key frame every scene, as services cut their segments. x264's decisions depend on its number of threads.
        stream.options = {"preset": "medium", "threads": "2", "g": str(SCENE_SECONDS * recipe.fps)}
        if recipe.encoder == "libx265":  # it prints by itself otherwise
            stream.options = {**stream.options, "x265-params": "log-level=none"}
        for number in range(recipe.frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scenery.frame(number), "bgr24")))
        container.mux(stream.encode())


def excerpt(source: Path, target: Path, *, frames: int, times: int = 1) -> None:
    """The first `frames` packets of a video, `times` over, copied without decoding, as Matroska. Raises OutputFailed.

    Packets come in the order of decoding, so the last few pictures may lack one between them.
    """
    with _packets(source, frames) as packets:
        shown = [_pts(packet) for packet in packets]
    in_order = sorted(shown)
    period = in_order[-1] - in_order[0] + max(1, (in_order[-1] - in_order[0]) // max(1, len(shown) - 1))
    # Matroska does not store when to decode; the muxer wants it. Every picture is decoded before it is shown.
    delay = max(ordered - pts for ordered, pts in zip(in_order, shown, strict=True))
    with _staged(target) as part, av.open(part, "w", format="matroska") as container:
        stream: av.VideoStream | None = None
        for number in range(times):
            with _packets(source, frames) as packets:
                for packet, ordered in zip(packets, in_order, strict=True):
                    stream = stream or container.add_stream_from_template(packet.stream)
                    packet.pts = _pts(packet) + number * period
                    packet.dts = ordered - delay + number * period
                    packet.stream = stream
                    container.mux(packet)


@contextmanager
def _packets(source: Path, count: int) -> Iterator[Iterator[VideoPacket]]:
    demuxer = Demuxer(str(source))
    try:
        yield itertools.islice(demuxer.packets(), count)
    finally:
        demuxer.close()


def _pts(packet: VideoPacket) -> int:
    return packet.pts if packet.pts is not None else packet.dts or 0


class _Scenery:
    """Composes frames: portraits that sway before a background that pans, under moving grain."""

    def __init__(self, recipe: ClipRecipe, portraits: list[Image]) -> None:
        self._recipe = recipe
        self._portraits = portraits
        rng = np.random.default_rng(VERSION)
        size = (recipe.width + MARGIN, recipe.height + MARGIN)
        # Cloud noise: each octave has twice the detail and half the contrast of the one before.
        octaves = [cv2.resize(rng.normal(0, 32 / 2**n, (9 << n, 16 << n, 3)), size) for n in range(5)]
        self._background = np.clip(96 + sum(octaves), 0, 255).astype(np.uint8)
        grain = rng.normal(0, GRAIN_SIGMA, (size[1], size[0], 1)).round().astype(np.int16)
        self._grain = np.repeat(grain, 3, axis=2)
        self._grain_offsets = rng.integers(0, MARGIN, (recipe.frames, 2))

    def frame(self, number: int) -> Image:
        """uint8 (height, width, 3), BGR."""
        seconds = number / self._recipe.fps
        pan = round((1 + np.sin(seconds)) * MARGIN / 2)
        image = self._background[self._window(pan, pan)].copy()
        scene = int(seconds // SCENE_SECONDS)
        cast = CAST[scene % len(CAST)]
        for place in range(cast):
            self._place(image, self._portraits[(scene + place) % len(self._portraits)], place / cast, 1 / cast, seconds)
        x, y = self._grain_offsets[number]
        return np.asarray(cv2.add(image, self._grain[self._window(x, y)], dtype=cv2.CV_8U), np.uint8)

    def _window(self, x: int, y: int) -> tuple[slice, slice]:
        return slice(y, y + self._recipe.height), slice(x, x + self._recipe.width)

    def _place(self, image: Image, portrait: Image, left: float, share: float, seconds: float) -> None:
        """Draw a portrait into its share of the width, swaying, turning and breathing a little."""
        height, width = portrait.shape[:2]
        phase = seconds + 7 * left
        room = share * self._recipe.width, 0.9 * self._recipe.height
        scale = 0.9 * min(room[0] / width, room[1] / height) * (1 + 0.05 * np.sin(1.3 * phase))
        centre = (
            (left + share / 2 + 0.02 * np.sin(phase)) * self._recipe.width,
            (0.5 + 0.04 * np.cos(0.7 * phase)) * self._recipe.height,
        )
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 6 * np.sin(0.9 * phase), scale)
        turn[:, 2] += np.array(centre) - (width / 2, height / 2)
        cv2.warpAffine(
            portrait, turn, image.shape[1::-1], image, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
        )


def _portrait(path: Path, part: float) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise OutputFailed(f"{path} is not a picture; delete its folder, and it will be fetched again")
    return np.asarray(image[: round(part * len(image))], np.uint8)


@contextmanager
def _staged(target: Path) -> Iterator[str]:
    """A name to write to; it becomes the target if all goes well."""
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield str(part)
        part.replace(target)
    except OSError as error:  # FFmpeg's errors are OSErrors, too
        raise OutputFailed(f"the benchmark's clip {target} can't be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
