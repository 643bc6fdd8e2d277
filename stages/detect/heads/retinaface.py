"""The head of RetinaFace as its PyTorch port exports it: three strides, two priors a cell.

Deng et al.: "RetinaFace: Single-shot Multi-level Face Localisation in the Wild", CVPR 2020; priors and variances of
biubug6's Pytorch_Retinaface, with MobileNet 0.25 and ResNet-50. A prior of side p is centred on ((c + 0.5) s,
(r + 0.5) s). Box: centre + 0.1 p (x, y), size p exp(0.2 (w, h)); landmark: centre + 0.1 p (x, y). The second of the two
classes is the face.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from stages.detect.heads.base import HeadFamily, OutputShapes
from stages.detect.heads.candidates import Candidates
from stages.detect.heads.host_head import HostHead
from stages.errors import ModelMismatch
from stages.frames import LANDMARK_COUNT, FloatArray

__all__ = ["FAMILY", "RetinaFaceHead"]

_PRIOR_SIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2
_DEPTHS = (4, 2, 2 * LANDMARK_COUNT)


class RetinaFaceHead(HostHead):
    """Implements `Head`. Takes outputs by their last dimension.

    Boxes (N, A, 4), class probabilities (N, A, 2) and landmarks (N, A, 10).
    """

    def _candidates(self, outputs: Mapping[str, FloatArray], count: int, shape: tuple[int, int]) -> Candidates:
        found = {name: output.shape for name, output in outputs.items()}
        if not _is_retinaface(found, count, shape):
            raise ModelMismatch(f"not a RetinaFace for {shape[1]}x{shape[0]} pictures: its outputs are {found}")
        by_depth = {output.shape[2]: output for output in outputs.values()}
        boxes, classes, landmarks = (by_depth[depth] for depth in _DEPTHS)
        frames, anchors = np.nonzero(classes[..., 1] >= self._score_threshold)
        priors = _priors(shape)[anchors]
        prior_centre, side = priors[:, :2], priors[:, 2:]
        box = boxes[frames, anchors]
        centre = prior_centre + box[:, :2] * (_CENTRE_VARIANCE * side)
        half = side * np.exp(box[:, 2:] * _SIZE_VARIANCE) / 2
        points = np.tile(prior_centre, LANDMARK_COUNT) + landmarks[frames, anchors] * (_CENTRE_VARIANCE * side)
        geometry = np.concatenate([centre - half, centre + half, points], axis=1)
        return Candidates(frames, classes[frames, anchors, 1], geometry)


@lru_cache(maxsize=16)
def _priors(size: tuple[int, int]) -> FloatArray:
    """float32 (A, 3): centre and side of every prior, row by row, the smaller of a cell first."""
    levels = []
    for stride, sides in _PRIOR_SIDES.items():
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        centre = (np.stack([columns, rows], axis=-1) + 0.5) * stride
        cells = [np.concatenate([centre, np.full((*centre.shape[:2], 1), side)], axis=-1) for side in sides]
        levels.append(np.stack(cells, axis=2).reshape(-1, 3))
    priors: FloatArray = np.concatenate(levels).astype(np.float32)
    priors.flags.writeable = False
    return priors


def _is_retinaface(shapes: OutputShapes, count: int, size: tuple[int, int]) -> bool:
    anchors = sum((size[0] // stride) * (size[1] // stride) * len(sides) for stride, sides in _PRIOR_SIDES.items())
    return sorted(shapes.values()) == sorted((count, anchors, depth) for depth in _DEPTHS)


FAMILY = HeadFamily(
    head=RetinaFaceHead,
    recognises=lambda shapes, size: _is_retinaface(shapes, 1, size),
    colour="bgr",
    mean=(104.0, 117.0, 123.0),
)
