"""YuNet's head on the card; its formulas stand in `stages.detect.heads.yunet`, its kernel in yunet_head.cu.

Differs from the host's head in one thing: there is no bound on candidates, only on the faces kept of a frame.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stages.buffers.device import DeviceArray
from stages.detect.heads.device.kernel_head import Arguments, KernelHead
from stages.detect.heads.yunet import OUTPUT_DEPTHS, STRIDES
from stages.errors import ModelMismatch

__all__ = ["DeviceYuNetHead"]


class DeviceYuNetHead(KernelHead):
    """The `KernelHead` of YuNet detectors."""

    KERNEL = "yunet_head"

    @staticmethod
    def _anchor_count(size: tuple[int, int]) -> int:
        return sum(_cells(size))

    def _arguments(
        self, outputs: Mapping[str, DeviceArray], count: int, shape: tuple[int, int]
    ) -> tuple[Arguments, Arguments, bool]:
        pointers = [
            _pointer(outputs, f"{kind}_{stride}", (count, cells, depth))
            for stride, cells in zip(STRIDES, _cells(shape), strict=True)
            for kind, depth in OUTPUT_DEPTHS.items()
        ]
        after = (np.int32(shape[0]), np.int32(shape[1]), np.float32(self._score_threshold**2))
        return tuple(pointers), after, True


def _cells(size: tuple[int, int]) -> list[int]:
    """Anchors of each stride, for an input of (height, width)."""
    return [(size[0] // stride) * (size[1] // stride) for stride in STRIDES]


def _pointer(outputs: Mapping[str, DeviceArray], name: str, shape: tuple[int, ...]) -> int:
    output = outputs.get(name)
    if output is None or output.shape != shape or output.dtype != np.float32:
        found = "no such output" if output is None else f"{output.dtype} {output.shape}"
        raise ModelMismatch(f"not a YuNet: {name} should be float32 {shape}, found {found}")
    return output.pointer
