"""The head of SCRFD: three strides, two anchors a cell, distances to the four sides.

Guo, Deng, Lattas, Zafeiriou: "Sample and Computation Redistribution for Efficient Face Detection", ICLR 2022. For the
anchor in column c and row r of stride s, centred on (c s, r s), the box reaches d0 s to the left, d1 s up, d2 s to the
right and d3 s down; a landmark lies (x s, y s) away. Scores are probabilities already. Source: insightface, `scrfd.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stages.detect.heads.base import HeadFamily, OutputShapes
from stages.detect.heads.candidates import Candidates
from stages.detect.heads.host_head import HostHead
from stages.errors import ModelMismatch
from stages.frames import LANDMARK_COUNT, FloatArray

__all__ = ["FAMILY", "ScrfdHead"]

_STRIDES = (8, 16, 32)
_ANCHORS_A_CELL = 2
_DEPTHS = (1, 4, 2 * LANDMARK_COUNT)


class ScrfdHead(HostHead):
    """Implements `Head`. Takes outputs by their shapes, since exporters number them.

    Scores (N, A, 1), boxes (N, A, 4) and, in networks that have them, landmarks (N, A, 10), for each stride.
    """

    def _candidates(self, outputs: Mapping[str, FloatArray], count: int, shape: tuple[int, int]) -> Candidates:
        found = {name: output.shape for name, output in outputs.items()}
        names = _names(found, count, shape)
        if names is None:
            raise ModelMismatch(f"not an SCRFD for {shape[1]}x{shape[0]} pictures: its outputs are {found}")
        levels = [[outputs[name] for name in level] for level in names]
        parts = [self._level(level, stride, shape[1]) for stride, level in zip(_STRIDES, levels, strict=True)]
        return Candidates.joined(parts)

    def _level(self, outputs: Sequence[FloatArray], stride: int, width: int) -> Candidates:
        scores, distances, *landmarks = outputs
        frames, anchors = np.nonzero(scores[..., 0] >= self._score_threshold)
        cells, columns = anchors // _ANCHORS_A_CELL, width // stride
        centre = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32) * stride
        sides = distances[frames, anchors] * stride
        parts = [centre - sides[:, :2], centre + sides[:, 2:]]
        parts += [np.tile(centre, LANDMARK_COUNT) + points[frames, anchors] * stride for points in landmarks]
        return Candidates(frames, scores[frames, anchors, 0], np.concatenate(parts, axis=1))


def _names(shapes: OutputShapes, count: int, size: tuple[int, int]) -> list[list[str]] | None:
    """Names of scores, boxes and landmarks, for each stride; None for another family's outputs."""
    by_shape = {shape: name for name, shape in shapes.items()}
    depths = _DEPTHS[: len(shapes) // len(_STRIDES)]
    anchors = [(size[0] // stride) * (size[1] // stride) * _ANCHORS_A_CELL for stride in _STRIDES]
    wanted = [[(count, cells, depth) for depth in depths] for cells in anchors]
    has_boxes = len(depths) > 1
    is_complete = len(by_shape) == len(shapes) and set(by_shape) == {shape for level in wanted for shape in level}
    if not (has_boxes and is_complete):
        return None
    return [[by_shape[shape] for shape in level] for level in wanted]


FAMILY = HeadFamily(
    head=ScrfdHead,
    recognises=lambda shapes, size: _names(shapes, 1, size) is not None,
    colour="rgb",
    mean=(127.5, 127.5, 127.5),
    scale=(1 / 128, 1 / 128, 1 / 128),
)
