"""CenterFace's head: a heat map of face centres on a grid of four pixels.

Xu, Yan, Yang et al.: "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019; decoding as its
authors' `centerface.py`. In row r and column c the size is (exp(s1), exp(s0)) * 4, the centre ((c + o1 + 0.5) 4,
(r + o0 + 0.5) 4), and a landmark lies (l1 width, l0 height) from the box's upper left corner.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stages.detect.heads.base import HeadFamily, OutputShapes
from stages.detect.heads.candidates import Candidates
from stages.detect.heads.host_head import HostHead
from stages.errors import ModelMismatch
from stages.frames import LANDMARK_COUNT, FloatArray

__all__ = ["FAMILY", "CenterFaceHead"]

_STRIDE = 4
_DEPTHS = (1, 2, 2, 2 * LANDMARK_COUNT)


class CenterFaceHead(HostHead):
    """Implements `Head`. Takes heat map, sizes, offsets and landmarks in that order, each (N, depth, H / 4, W / 4)."""

    def _candidates(self, outputs: Mapping[str, FloatArray], count: int, shape: tuple[int, int]) -> Candidates:
        found = {name: output.shape for name, output in outputs.items()}
        if not _is_centerface(found, count, shape):
            raise ModelMismatch(f"not a CenterFace for {shape[1]}x{shape[0]} pictures: its outputs are {found}")
        heat, sizes, offsets, landmarks = outputs.values()
        frames, rows, columns = np.nonzero(heat[:, 0] >= self._score_threshold)

        def at(output: FloatArray) -> FloatArray:
            """(C, depth / 2, 2): what stands in the cells, y first turned into x first."""
            values = output[frames, :, rows, columns]
            return values.reshape(len(values), values.shape[1] // 2, 2)[..., ::-1]

        size = np.exp(at(sizes)[:, 0]) * _STRIDE
        centre = (np.stack([columns, rows], axis=1) + at(offsets)[:, 0] + np.float32(0.5)) * _STRIDE
        corner = centre - size / 2
        points = corner[:, None] + at(landmarks) * size[:, None]
        geometry = np.concatenate([corner, corner + size, points.reshape(-1, 2 * LANDMARK_COUNT)], axis=1).astype(
            np.float32
        )
        return Candidates(frames, heat[frames, 0, rows, columns], geometry)


def _is_centerface(shapes: OutputShapes, count: int, size: tuple[int, int]) -> bool:
    cells = (size[0] // _STRIDE, size[1] // _STRIDE)
    return list(shapes.values()) == [(count, depth, *cells) for depth in _DEPTHS]


FAMILY = HeadFamily(
    head=CenterFaceHead,
    recognises=lambda shapes, size: _is_centerface(shapes, 1, size),
    colour="rgb",
    score_threshold=0.5,
    nms_iou=0.3,
)
