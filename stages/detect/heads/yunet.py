"""YuNet's head on the host: three strides, one anchor a cell, boxes and five landmarks.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20 (2023). The decoding is
that of OpenCV's `FaceDetectorYN`: score = sqrt(cls * obj); for the cell in column c and row r of stride s the centre is
((c + dx) s, (r + dy) s), the size (exp(w) s, exp(h) s), a landmark ((c + x) s, (r + y) s).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from stages.detect.heads.base import HeadFamily, OutputShapes
from stages.detect.heads.candidates import Candidates
from stages.detect.heads.host_head import HostHead
from stages.errors import ModelMismatch
from stages.frames import LANDMARK_COUNT, FloatArray

__all__ = ["FAMILY", "OUTPUT_DEPTHS", "STRIDES", "YuNetHead"]

STRIDES = (8, 16, 32)
OUTPUT_DEPTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 2 * LANDMARK_COUNT}
"""Values an anchor has in the outputs of each kind; a stride's output is called `kind_stride`."""


class YuNetHead(HostHead):
    """Implements `Head`.

    Takes the outputs `cls_s`, `obj_s` (N, A, 1), `bbox_s` (N, A, 4) and `kps_s` (N, A, 10) of the strides s.
    """

    def _candidates(self, outputs: Mapping[str, FloatArray], count: int, shape: tuple[int, int]) -> Candidates:
        levels = [_Level.of(outputs, stride, (count, *shape)) for stride in STRIDES]
        return Candidates.joined([level.candidates(self._score_threshold) for level in levels])


class _Level(NamedTuple):
    """One stride's outputs for a batch."""

    stride: int
    columns: int
    classes: FloatArray
    objects: FloatArray
    boxes: FloatArray
    landmarks: FloatArray

    @classmethod
    def of(cls, outputs: Mapping[str, FloatArray], stride: int, batch: tuple[int, int, int]) -> _Level:
        count, height, width = batch
        anchors = (height // stride) * (width // stride)
        parts: list[FloatArray] = []
        for kind, depth in OUTPUT_DEPTHS.items():
            name = f"{kind}_{stride}"
            output = outputs.get(name)
            if output is None or output.shape != (count, anchors, depth):
                found = "no such output" if output is None else f"shape {output.shape}"
                raise ModelMismatch(f"not a YuNet: {name} should have shape {(count, anchors, depth)}, found {found}")
            parts.append(output)
        return cls(stride, width // stride, *parts)

    def candidates(self, score_threshold: float) -> Candidates:
        squared = self.classes[..., 0].clip(0, 1) * self.objects[..., 0].clip(0, 1)
        frames, anchors = np.nonzero(squared >= score_threshold**2)
        scores = np.sqrt(squared[frames, anchors])
        cell = np.stack([anchors % self.columns, anchors // self.columns], axis=1).astype(np.float32)
        box = self.boxes[frames, anchors]
        centre = (cell + box[:, :2]) * self.stride
        half = np.exp(box[:, 2:]) * (self.stride / 2)
        points = (np.tile(cell, LANDMARK_COUNT) + self.landmarks[frames, anchors]) * self.stride
        return Candidates(frames, scores, np.concatenate([centre - half, centre + half, points], axis=1))


def _recognises(shapes: OutputShapes, size: tuple[int, int]) -> bool:
    height, width = size
    return all(
        shapes.get(f"{kind}_{stride}") == (1, (height // stride) * (width // stride), depth)
        for stride in STRIDES
        for kind, depth in OUTPUT_DEPTHS.items()
    )


FAMILY = HeadFamily(head=YuNetHead, recognises=_recognises, colour="bgr", score_threshold=0.6, nms_iou=0.3)
