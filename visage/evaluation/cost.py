"""What a network in smaller arithmetic costs and gains against the one it was made from, on pictures held out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.backends.base import Backend, HostTensor
from stages.backends.onnxruntime import OnnxRuntimeBackend
from stages.backends.openvino import OpenVINOBackend
from stages.buffers import HostStream
from stages.detect.heads.families import head_family
from stages.errors import BackendUnavailable
from stages.imaging.letterbox import Letterbox
from visage.evaluation.detection import TrueFaces, evaluate_detection
from visage.models import DetectorSpec, EmbedderSpec

__all__ = ["MAX_LOST", "Cost", "detector_cost", "embedder_cost"]

MAX_LOST = 0.005
"""Of recall, or of decisions about pairs: what a network may cost and still be kept."""

MIN_GAIN = 1.05  # less is within what measuring errs
ROUNDS = 5  # the best of them counts: other programs only ever make it slower
TIMED_PICTURES = 16

Pictures = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the smaller arithmetic costs and gains.

    Attributes:
        lost: part of the faces no longer found, or of pairs decided otherwise.
        items: faces, or pairs, that this was measured on.
        speed: for each backend, by the arithmetic that it chose before, (milliseconds an item before, after) on one
            thread.
    """

    lost: float
    items: int
    speed: dict[str, tuple[float, float]]

    @property
    def is_acceptable(self) -> bool:
        """Whether no more than `MAX_LOST` is lost."""
        return self.lost <= MAX_LOST

    @property
    def is_faster(self) -> bool:
        """Whether some backend is faster after the change by more than MIN_GAIN."""
        return any(before > MIN_GAIN * after for before, after in self.speed.values())

    def describe(self, what: str) -> list[str]:
        """Return the result in lines for the user."""
        lines = [f"{100 * self.lost:.2f}% of {self.items} {what} lost"]
        for backend, (before, after) in self.speed.items():
            lines.append(f"{backend}: {before:.2f} ms before, {after:.2f} ms after: {before / after:.2f} x")
        if not self.is_faster:
            lines.append("not faster on this machine")
        return lines


def detector_cost(before: Path, after: Path, pictures: Pictures, spec: DetectorSpec) -> Cost:
    """How many of the faces that the first network finds the second one misses.

    Args:
        before, after: prepared networks.
        pictures: detector inputs, uint8 (H, W, 3), BGR, of one shape or several; at least one.
    """
    head = head_family(spec.head).head(score_threshold=spec.score_threshold, nms_iou=spec.nms_iou)
    stream = HostStream()
    found = []
    for network in (before, after):
        backend = OnnxRuntimeBackend(network, max_batch=1, threads=1)
        faces = []
        for picture in pictures:
            height, width = picture.shape[:2]
            outputs = backend.infer(picture[None], stream=stream)
            place = Letterbox(1.0, 1.0, 0, 0, width, height)
            faces.append(head.decode(outputs, [place], (height, width), stream=stream)[0])
        backend.close()
        found.append(faces)
    report = evaluate_detection(
        [
            (TrueFaces(true.boxes_xyxy, np.zeros(len(true), bool)), now.boxes_xyxy, now.scores)
            for true, now in zip(*found, strict=True)
        ]
    )
    return Cost(1 - report.recall if report.faces else 0.0, report.faces, _speed(before, after, pictures))


def embedder_cost(before: Path, after: Path, crops: Pictures, spec: EmbedderSpec) -> Cost:
    """How many pairs of faces the second network decides otherwise, at the entry's threshold.

    Args:
        before, after: prepared networks.
        crops: aligned faces, uint8 (size, size, 3), BGR; at least one.
    """
    stream = HostStream()
    decisions = []
    for network in (before, after):
        backend = OnnxRuntimeBackend(network, max_batch=1, threads=1)
        rows = [next(iter(backend.infer(crop[None], stream=stream).values()))[0].copy() for crop in crops]
        backend.close()
        embeddings = np.array(rows, np.float32)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        upper = np.triu_indices(len(rows), 1)
        decisions.append((embeddings @ embeddings.T)[upper] >= spec.similarity_threshold)
    changed = decisions[0] != decisions[1]
    return Cost(float(changed.mean()) if len(changed) else 0.0, len(changed), _speed(before, after, crops))


def _speed(before: Path, after: Path, pictures: Pictures) -> dict[str, tuple[float, float]]:
    """On pictures of the commonest shape, one at a time."""
    shapes = [picture.shape for picture in pictures]
    commonest = max(set(shapes), key=shapes.count)
    timed = [picture[None] for picture in pictures if picture.shape == commonest][:TIMED_PICTURES]
    makers: tuple[Callable[[Path], Backend[HostTensor]], ...] = (
        lambda path: OpenVINOBackend(path, max_batch=1, threads=1, precision="auto"),
        lambda path: OnnxRuntimeBackend(path, max_batch=1, threads=1),
    )
    speed: dict[str, tuple[float, float]] = {}
    for make in makers:
        try:
            old, new = make(before), make(after)
        except BackendUnavailable:
            continue
        # In turn, so that what else the machine does slows both; the first round only warms up.
        rounds = [(_milliseconds(old, timed), _milliseconds(new, timed)) for _ in range(1 + ROUNDS)][1:]
        speed[old.name] = (min(olds for olds, _ in rounds), min(news for _, news in rounds))
        old.close()
        new.close()
    return speed


def _milliseconds(backend: Backend[HostTensor], timed: Pictures) -> float:
    """An item, on average over these."""
    stream = HostStream()
    started = time.perf_counter()
    for picture in timed:
        backend.infer(picture, stream=stream)
    return (time.perf_counter() - started) / len(timed) * 1000
