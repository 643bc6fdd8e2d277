"""The head of YOLO face detectors on the card; the kernel is yolo_head.cu.

Networks with one output, float32 (N, 5, A): xc, yc, w, h in input pixels and the score; or (N, 20, A): then x, y and
visibility of five landmarks, as the YOLOv8- and YOLO11-face networks export them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stages.buffers.device import DeviceArray
from stages.detect.heads.device.kernel_head import Arguments, KernelHead
from stages.detect.heads.yolo import BOX_CHANNELS, LANDMARK_CHANNELS, anchor_count
from stages.errors import ModelMismatch

__all__ = ["DeviceYoloHead"]


class DeviceYoloHead(KernelHead):
    """The `KernelHead` of YOLO face detectors."""

    KERNEL = "yolo_head"

    @staticmethod
    def _anchor_count(size: tuple[int, int]) -> int:
        return anchor_count(size)

    def _arguments(
        self, outputs: Mapping[str, DeviceArray], count: int, shape: tuple[int, int]
    ) -> tuple[Arguments, Arguments, bool]:
        anchors = anchor_count(shape)
        expected = [(count, channels, anchors) for channels in (BOX_CHANNELS, LANDMARK_CHANNELS)]
        output = next(iter(outputs.values())) if len(outputs) == 1 else None
        if output is None or output.shape not in expected or output.dtype != np.float32:
            found = sorted(outputs) if output is None else f"{output.dtype} {output.shape}"
            wanted = " or ".join(map(str, expected))
            raise ModelMismatch(f"not a YOLO face detector: its one output should be float32 {wanted}, found {found}")
        channels = output.shape[1]
        after = (np.float32(self._score_threshold),)
        return (output.pointer, np.int32(channels), np.int32(anchors)), after, channels == LANDMARK_CHANNELS
