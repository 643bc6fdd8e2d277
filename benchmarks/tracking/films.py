"""Clips made of clips: a camera that pans over one, and one that dissolves into another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from benchmarks.tracking.clips import HEIGHT, WIDTH, Clip, Image, Truth

__all__ = ["Dissolve", "Film", "Pan"]

MIN_SHARE = 0.35
"""Of a dissolving picture, for its faces to be there; what shows through less need not be found."""
FAINT = 0.3


class Film(Protocol):
    """What the benchmark runs."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def render(self) -> Iterator[tuple[Image, list[Truth]]]: ...


@dataclass(frozen=True, slots=True)
class Pan:
    """A clip seen by a camera that turns: `across` pixels to the right by frame, over its mirrored surroundings."""

    name: str
    clip: Clip
    across: Callable[[int], float]
    kind: str = "moving"

    def render(self) -> Iterator[tuple[Image, list[Truth]]]:
        for frame, (image, truths) in enumerate(self.clip.render()):
            shift = -self.across(frame)
            matrix = np.array([[1, 0, shift], [0, 1, 0]])
            moved = cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
            yield np.asarray(moved, np.uint8), [_shifted(truth, shift) for truth in truths]


@dataclass(frozen=True, slots=True)
class Dissolve:
    """One clip into another of as many frames, from frame `start` on over `length` frames."""

    name: str
    before: Clip
    after: Clip
    start: int
    length: int
    kind: str = "dissolves"

    def render(self) -> Iterator[tuple[Image, list[Truth]]]:
        for frame, (old, new) in enumerate(zip(self.before.render(), self.after.render(), strict=True)):
            share = min(1.0, max(0.0, (frame - self.start) / self.length))
            image = cv2.addWeighted(old[0], 1 - share, new[0], share, 0)
            if MIN_SHARE <= share <= 1 - MIN_SHARE:
                truths = [replace(truth, visible=FAINT) for truth in (*old[1], *new[1])]
            else:
                truths = old[1] if share < MIN_SHARE else new[1]
            yield np.asarray(image, np.uint8), truths


def _shifted(truth: Truth, shift: float) -> Truth:
    box = truth.box_xyxy + np.array([shift, 0, shift, 0], np.float32)
    inside = (np.minimum(box[2:], (WIDTH, HEIGHT)) - np.maximum(box[:2], 0)).clip(0)
    share = float(np.prod(inside) / np.prod(box[2:] - box[:2]))
    landmarks = truth.landmarks + np.array([shift, 0], np.float32)
    return Truth(truth.person, box, landmarks, min(truth.visible, share))
