"""Real faces as the networks take them: letterboxed photographs and aligned crops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.backends.base import Backend, HostTensor
from stages.buffers import HostStream
from stages.detect.heads.yunet import YuNetHead
from stages.embed.align import ARCFACE_112, landmark_transforms
from stages.frames import Faces
from stages.imaging.letterbox import DetectorInput

__all__ = ["Photograph", "crops", "faces_in"]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Photograph:
    """uint8 (H, W, 3), BGR."""

    pixels: Pixels

    @classmethod
    def read(cls, path: Path) -> Photograph:
        pixels = cv2.imread(str(path))
        assert pixels is not None, path
        return cls(np.asarray(pixels, np.uint8))

    def letterboxed(self, detector_input: DetectorInput) -> Pixels:
        height, width = self.pixels.shape[:2]
        fit = detector_input.fit(width, height)
        result = np.full((*detector_input.shape(width, height), 3), detector_input.pad_value, np.uint8)
        content = cv2.resize(self.pixels, (fit.content_width, fit.content_height), interpolation=cv2.INTER_AREA)
        rows = slice(fit.offset_y, fit.offset_y + fit.content_height)
        result[rows, fit.offset_x : fit.offset_x + fit.content_width] = content
        return result


def faces_in(photograph: Photograph, backend: Backend[HostTensor], detector_input: DetectorInput) -> Faces:
    """The faces that the network behind this backend finds, in pixels of the photograph."""
    height, width = photograph.pixels.shape[:2]
    stream = HostStream()
    picture = photograph.letterboxed(detector_input)
    outputs = backend.infer(picture[None], stream=stream)
    head = YuNetHead(score_threshold=0.6, nms_iou=0.3)
    return head.decode(outputs, [detector_input.fit(width, height)], picture.shape[:2], stream=stream)[0]


def crops(photograph: Photograph, faces: Faces) -> Pixels:
    """uint8 (N, 112, 112, 3), BGR, aligned by the faces' landmarks."""
    assert faces.landmarks is not None
    cut = [
        cv2.warpAffine(photograph.pixels, transform, (112, 112), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        for transform in landmark_transforms(faces.landmarks, ARCFACE_112)
    ]
    return np.array(cut, np.uint8).reshape(-1, 112, 112, 3)
