"""Every detector and embedder of the catalogue that can be had, on the same pictures.

Embedders get crops that are aligned by the true landmarks, so that no detector stands between them. Their threshold is
measured: the best balanced accuracy, and those of false accept rates. Times are of one thread of ONNX Runtime.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.conditions import CLEAN, HARD, Condition
from benchmarks.accuracy.footage import mosaic
from benchmarks.accuracy.footage_parts import FACE_IOU, evaluated
from benchmarks.accuracy.media import Image, Portrait, read_portraits
from stages.backends.onnxruntime import OnnxRuntimeBackend
from stages.buffers import HostStream
from stages.embed.align import ARCFACE_112, landmark_transforms
from stages.frames import FloatArray
from visage import Settings
from visage.evaluation.verification import evaluate_verification
from visage.models import DetectorSpec, EmbedderSpec, ModelError, ModelStore

__all__ = ["measure_detectors", "measure_embedders"]

SMALL = tuple(condition for condition in HARD if condition.height <= 40)


def measure_embedders(settings: Settings, scratch: Path) -> Mapping[str, object]:
    """Each embedder: people told apart in the hard conditions, its thresholds, milliseconds a face."""
    portraits = read_portraits()
    pictures = list(_pictures(portraits))
    store, results = ModelStore(settings.model_dir), {}
    for name, spec in store.catalog.items():
        if isinstance(spec, EmbedderSpec):
            try:
                network = store.prepared(name)
            except ModelError as error:
                results[name] = {"not measured": type(error).__name__}
                continue
            results[name] = _embedder(spec, network, portraits, pictures)
    return results


def measure_detectors(settings: Settings, scratch: Path) -> Mapping[str, object]:
    """Each detector: faces of the films found, box by box, without tracking; milliseconds a frame on all threads."""
    store, results = ModelStore(settings.model_dir), {}
    for name, spec in store.catalog.items():
        if isinstance(spec, DetectorSpec):
            try:
                store.prepared(name)
            except ModelError as error:
                results[name] = {"not measured": type(error).__name__}
                continue
            chosen = settings.model_copy(update={"embed": None, "track": False, "detector": name})
            clips = {f"{across} across": (mosaic(across, 12, every=every), 23) for across, every in SIZES}
            reports = {clip: evaluated(scratch / "films", {clip: picture}, chosen) for clip, picture in clips.items()}
            found = {clip: report.detection for clip, report in reports.items()}
            results[name] = {
                "recall": sum(one.recall * one.faces for one in found.values()) / sum(f.faces for f in found.values()),
                "false boxes": sum(one.false_positives for one in found.values()),
                **{f"recall, {clip}": one.recall for clip, one in found.items()},
                "IoU needed": FACE_IOU,
                "processor seconds": round(sum(report.cpu_seconds for report in reports.values()), 1),
            }
    return results


SIZES = ((3, 1), (6, 1), (10, 3), (16, 5), (18, 7))
"""Tiles across, and one of how many shows a film: faces of 150, 75, 45, 28 and 24 pixels."""


def _pictures(portraits: Sequence[Portrait]) -> Iterator[tuple[Condition, Portrait, Image]]:
    for condition in (CLEAN, *HARD):
        for portrait in portraits:
            image = condition.draw(portrait)
            _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, condition.quality])
            yield condition, portrait, np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _embedder(
    spec: EmbedderSpec,
    network: Path,
    portraits: Sequence[Portrait],
    pictures: Sequence[tuple[Condition, Portrait, Image]],
) -> Mapping[str, object]:
    backend, stream = OnnxRuntimeBackend(network, max_batch=1, threads=1), HostStream()
    rows, seconds = [], 0.0
    for condition, portrait, picture in pictures:
        crop = _crop(spec, condition.landmarks(portrait), picture)
        started = time.perf_counter()
        rows.append(next(iter(backend.infer(crop[None], stream=stream).values()))[0].astype(np.float32))
        seconds += time.perf_counter() - started
    backend.close()
    norms = np.linalg.norm(np.array(rows), axis=1)
    embeddings = np.array(rows, np.float32) / norms[:, None]
    first = {portrait.person: number for number, portrait in reversed(list(enumerate(portraits)))}
    people = list(first)
    gallery = embeddings[[first[person] for person in people]]  # the clean pictures come first
    alike = embeddings @ gallery.T
    same = np.array([[portrait.person == person for person in people] for _, portrait, _ in pictures])
    judged = np.array(
        [
            [condition is not CLEAN or portrait is not portraits[first[person]] for person in people]
            for condition, portrait, _ in pictures
        ]
    )
    report = evaluate_verification(alike[judged], same[judged])
    zero = float(alike[~same].max())
    own = np.where(same, alike, -1).max(axis=1)
    other = np.where(same, -1, alike).max(axis=1)
    kinds = {"clean": [CLEAN], "hard": HARD, "40 px and less": SMALL}
    named = {
        kind: float(
            np.mean([o > max(zero, r) for (c, _, _), o, r in zip(pictures, own, other, strict=True) if c in some])
        )
        for kind, some in kinds.items()
    }
    return {
        "pairs": f"{report.same_pairs} same, {report.different_pairs} different",
        "balanced accuracy": report.balanced_accuracy,
        "best threshold": report.balanced_threshold,
        "catalogue's threshold": spec.similarity_threshold,
        **{f"TAR at FAR {point.far:g}": point.tar for point in report.points},
        **{f"threshold at FAR {point.far:g}": point.threshold for point in report.points},
        "most alike strangers": zero,
        **{f"above all strangers, {kind}": share for kind, share in named.items()},
        "norm tells right from wrong (AUC)": _auc(norms[own > other], norms[own <= other]),
        "ms a face": round(1000 * seconds / len(pictures), 2),
    }


def _crop(spec: EmbedderSpec, landmarks: FloatArray, picture: Image) -> Image:
    size = spec.input.size
    template = ARCFACE_112 * (size / 112) if isinstance(spec.template, str) else np.array(spec.template, np.float32)
    matrix = landmark_transforms(landmarks[None], np.asarray(template, np.float32))[0]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (size, size), flags=flags), np.uint8)


def _auc(above: FloatArray, below: FloatArray) -> float:
    """How often one of the first is larger than one of the second."""
    if not len(above) or not len(below):
        return float("nan")
    order = np.searchsorted(np.sort(below), above, side="left")
    return float(order.mean() / len(below))
