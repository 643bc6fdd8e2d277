"""The networks of a run: the settings applied over the catalogue's defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from stages.embed.align import ARCFACE_112, box_transforms, landmark_transforms
from stages.frames import FloatArray, Observation
from stages.imaging.letterbox import DetectorInput
from visage.config import Settings
from visage.models import DetectorSpec, EmbedderSpec, ModelStore, Progress, detector_spec, embedder_spec
from visage.models.engines import OnBuild

__all__ = ["ModelPlan"]

ARCFACE_SIDE = 112  # the crop that ARCFACE_112 is for

KEEP_THRESHOLD = 0.4
"""Of a run that names none; a lower score threshold lowers it."""


class HeadThresholds(TypedDict):
    """Thresholds in [0, 1] of a detector's head; see `stages.detect.heads.base.HostHeadFactory`."""

    score_threshold: float
    nms_iou: float
    strong_threshold: float


@dataclass(frozen=True)
class ModelPlan:
    """The networks of a run and how to call them.

    Attributes:
        embedder: None for detection only.
        score_threshold, keep_threshold: least score of a face that begins a track, and of one that continues it.
        progress: called with the progress of model downloads.
        on_build: called when engines are built, where the platform needs any.
    """

    store: ModelStore
    detector: DetectorSpec
    embedder: EmbedderSpec | None
    detector_input: DetectorInput
    score_threshold: float
    keep_threshold: float
    nms_iou: float
    progress: Progress | None = None
    on_build: OnBuild | None = None

    @classmethod
    def of(cls, settings: Settings, *, progress: Progress | None = None, on_build: OnBuild | None = None) -> ModelPlan:
        """Raises UnknownModel for a name that is not in the catalogue."""
        detector = detector_spec(settings.detector, settings.model_dir)
        score_threshold = detector.score_threshold if settings.score_threshold is None else settings.score_threshold
        wanted = KEEP_THRESHOLD if settings.keep_threshold is None else settings.keep_threshold
        return cls(
            store=ModelStore(settings.model_dir),
            detector=detector,
            embedder=embedder_spec(settings.embedder, settings.model_dir) if settings.embed else None,
            detector_input=DetectorInput(
                longest=settings.detector_size or detector.input.longest,
                multiple=detector.input.multiple,
                square=detector.input.square,
                pad_value=detector.input.pad_value,
            ),
            score_threshold=score_threshold,
            keep_threshold=min(wanted, score_threshold),
            nms_iou=detector.nms_iou if settings.nms_iou is None else settings.nms_iou,
            progress=progress,
            on_build=on_build,
        )

    def head_thresholds(self, *, keeps_weak: bool) -> HeadThresholds:
        """Return the thresholds for the detector's head; see `Platform.detect_stage` for `keeps_weak`."""
        return HeadThresholds(
            score_threshold=self.keep_threshold if keeps_weak else self.score_threshold,
            nms_iou=self.nms_iou,
            strong_threshold=self.score_threshold,
        )

    @property
    def looks_twice(self) -> bool:
        """Whether faces are detected a second time: the detector allows it, and the embedder needs landmarks."""
        return self.template is not None and self.detector.looks_twice

    @property
    def template(self) -> FloatArray | None:
        """Where the embedder wants the landmarks: float32 (5, 2), pixels of the crop; None if it wants the box."""
        if self.embedder is None or self.embedder.template == "box":
            return None
        if self.embedder.template == "arcface-112":
            return ARCFACE_112 * np.float32(self.embedder.input.size / ARCFACE_SIDE)
        return np.array(self.embedder.template, np.float32)

    def crop_transforms(self, item: Observation) -> FloatArray:
        """Where the embedder's crops of a frame's faces lie in it: float32 (N, 2, 3), from crop to frame pixels.

        Raises ValueError for a plan without embedder.
        """
        if self.embedder is None:
            raise ValueError("this plan has no embedder")
        faces, aspect = item.faces, item.frame.picture.pixel_aspect
        if self.template is None or faces.landmarks is None:
            return box_transforms(faces.boxes_xyxy, self.embedder.input.size, pixel_aspect=aspect)
        return landmark_transforms(faces.landmarks, self.template, pixel_aspect=aspect)
