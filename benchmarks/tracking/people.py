"""Faces cut out of photographs, with the box and landmarks that the detector gives them when nothing disturbs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces, FloatArray

__all__ = ["FACE_HEIGHT", "Person", "Pose", "cut_out"]

Image = NDArray[np.uint8]
Detect = Callable[[Image], Faces]

FACE_HEIGHT = 110
"""Pixels of a face at scale 1."""
SIDE = 260
"""Pixels of a cut-out."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a face's middle is, how large and how tilted."""

    x: float
    y: float
    scale: float = 1.0
    degrees: float = 0.0


@dataclass(frozen=True, slots=True)
class Person:
    """A cut-out: uint8 (SIDE, SIDE, 3), BGR, with its opacity, and what is to be found in it, in its own pixels."""

    image: Image
    opacity: FloatArray
    box_xyxy: FloatArray
    landmarks: FloatArray

    def transform(self, pose: Pose) -> NDArray[np.float64]:
        """float64 (2, 3): from the cut-out to the frame."""
        middle = (self.box_xyxy[:2] + self.box_xyxy[2:]) / 2
        matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), pose.degrees, pose.scale)
        matrix[:, 2] += (pose.x, pose.y) - middle
        return np.asarray(matrix, np.float64)

    def box(self, pose: Pose) -> FloatArray:
        """An upright box around the face's middle, grown by the scale."""
        half = (self.box_xyxy[2:] - self.box_xyxy[:2]) / 2 * pose.scale
        middle = np.array([pose.x, pose.y])
        return np.concatenate([middle - half, middle + half]).astype(np.float32)

    def points(self, pose: Pose) -> FloatArray:
        """The landmarks in the frame."""
        matrix = self.transform(pose)
        return (self.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def cut_out(path: Path, detect: Detect, number: int = 0) -> Person:
    """The `number`-th face of a photograph, best score first."""
    photograph = np.asarray(cv2.imread(str(path)), np.uint8)
    box = detect(photograph).boxes_xyxy[number]
    scale = FACE_HEIGHT / float(box[3] - box[1])
    middle = (box[:2] + box[2:]) / 2
    shift = SIDE / 2 - scale * middle
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    if scale < 1:
        photograph = np.asarray(cv2.GaussianBlur(photograph, (0, 0), 0.4 / scale), np.uint8)
    image = np.asarray(cv2.warpAffine(photograph, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE] / (SIDE / 2) - 1
    radius = np.hypot(columns / 0.72, rows / 0.86)
    opacity = np.clip((1 - radius) / 0.08 + 0.5, 0, 1).astype(np.float32)
    plain = np.full_like(image, 128)
    faces = detect(_blend(plain, image, opacity))
    if not len(faces) or faces.landmarks is None:
        raise ValueError(f"no face is found in the cut-out of {path}")
    return Person(image, opacity, faces.boxes_xyxy[0], faces.landmarks[0])


def _blend(below: Image, above: Image, opacity: FloatArray) -> Image:
    weight = opacity[..., None]
    return np.asarray(above * weight + below * (1 - weight) + 0.5, np.uint8)
