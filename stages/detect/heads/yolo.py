"""The head of YOLOv8 and YOLO11 face detectors: one output, decoded by the network itself.

Ultralytics exports float32 (N, 5, A): xc, yc, w, h in input pixels and the score; trained for pose (Jocher et al.,
"Ultralytics YOLO", 2023; "yolov8-face") (N, 20, A): then x, y and visibility of five landmarks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stages.detect.heads.base import HeadFamily, OutputShapes
from stages.detect.heads.candidates import Candidates
from stages.detect.heads.host_head import HostHead
from stages.errors import ModelMismatch
from stages.frames import LANDMARK_COUNT, FloatArray

__all__ = ["BOX_CHANNELS", "FAMILY", "LANDMARK_CHANNELS", "YoloHead", "anchor_count"]

STRIDES = (8, 16, 32)
BOX_CHANNELS = 5
_VISIBILITY = 2  # the third of x, y and visibility
LANDMARK_CHANNELS = BOX_CHANNELS + 3 * LANDMARK_COUNT


class YoloHead(HostHead):
    """Implements `Head` for networks with and without landmarks."""

    def _candidates(self, outputs: Mapping[str, FloatArray], count: int, shape: tuple[int, int]) -> Candidates:
        found = {name: output.shape for name, output in outputs.items()}
        if not _is_yolo(found, count, shape):
            wanted = (count, BOX_CHANNELS, anchor_count(shape))
            raise ModelMismatch(
                f"not a YOLO face detector: its one output should be {wanted} or have {LANDMARK_CHANNELS} channels, "
                f"found {found}"
            )
        output = next(iter(outputs.values()))
        frames, anchors = np.nonzero(output[:, 4] >= self._score_threshold)
        rows = output[frames, :, anchors]
        centre, half = rows[:, :2], rows[:, 2:4] / 2
        coordinates = [k for k in range(BOX_CHANNELS, output.shape[1]) if (k - BOX_CHANNELS) % 3 != _VISIBILITY]
        geometry = np.concatenate([centre - half, centre + half, rows[:, coordinates]], axis=1)
        return Candidates(frames, rows[:, 4], geometry)


def anchor_count(size: tuple[int, int]) -> int:
    """Return the number of anchors of all strides for an input of (height, width) pixels."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)


def _is_yolo(shapes: OutputShapes, count: int, size: tuple[int, int]) -> bool:
    wanted = [(count, channels, anchor_count(size)) for channels in (BOX_CHANNELS, LANDMARK_CHANNELS)]
    return len(shapes) == 1 and next(iter(shapes.values())) in wanted


FAMILY = HeadFamily(
    head=YoloHead,
    recognises=lambda shapes, size: _is_yolo(shapes, 1, size),
    colour="rgb",
    scale=(1 / 255, 1 / 255, 1 / 255),
    pad_value=114,
    score_threshold=0.5,
    nms_iou=0.45,
)
