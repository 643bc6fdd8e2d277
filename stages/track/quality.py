"""How well a face is seen, in [0, 1]: the product of its size, sharpness, pose and score, each in [0, 1].

    size       min(1, shorter side of the box / 112): below the embedder's 112 pixels there is less to see
    sharpness  1 - exp(-v / 0.1): v is the variance of the Laplacian over the variance of the patch itself, both on a
               face scaled to 64 pixels, so that neither its size nor its contrast counts (after Pech-Pacheco et al.,
               "Diatom autofocusing in brightfield microscopy", ICPR 2000); 1 where no pixels can be read
    pose       (1 - yaw)(1 - pitch): yaw is how far the nose lies off the middle of the eyes, as a part of half their
               distance; pitch how far its height between eyes and mouth is from a frontal face's, as a part of that;
               both along the face's own axes, so that a tilted head loses nothing; 1 without landmarks
    score      the detector's

The product follows Best-Rowden and Jain's observation ("Learning face image quality from human assessments", IEEE TIFS
2018) that a face has to be good in every respect: one bad factor spoils it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.embed.align import ARCFACE_112
from stages.frames import FloatArray
from stages.imaging.window import FACE_SIDE, PATCH_SIDE, Gray

__all__ = ["pose", "quality", "sharpness"]

FULL_SIZE = 112
SHARPNESS_UNIT = 0.1

_EYES_Y, _MOUTH_Y = ARCFACE_112[:2, 1].mean(), ARCFACE_112[3:, 1].mean()
FRONTAL_NOSE = float((ARCFACE_112[2, 1] - _EYES_Y) / (_MOUTH_Y - _EYES_Y))
"""Where the nose lies between eyes (0) and mouth (1) in ArcFace's frontal template: 0.50."""


def quality(
    box_xyxy: FloatArray, score: float, landmarks: FloatArray | None, sharp: float = 1.0, *, pixel_aspect: float = 1.0
) -> float:
    """The quality of one face.

    Args:
        box_xyxy: float32 (4,), source pixels.
        landmarks: float32 (5, 2), source pixels.
        sharp: its `sharpness`; 1 where no pixels can be read.
    """
    width, height = (float(side) for side in box_xyxy[2:] - box_xyxy[:2])
    size = min(1.0, max(0.0, min(width * pixel_aspect, height)) / FULL_SIZE)
    seen = 1.0 if landmarks is None else pose(np.asarray(landmarks * (pixel_aspect, 1), np.float32))
    return size * seen * score * sharp


def sharpness(patch: Gray) -> float:
    """Of the face in the middle of a patch."""
    margin = (PATCH_SIDE - FACE_SIDE * 3 // 4) // 2
    face = patch[margin:-margin, margin:-margin]
    contrast = float(face.var())
    detail = float(cv2.Laplacian(face, cv2.CV_32F).var())
    return 1.0 - float(np.exp(-detail / max(contrast, 1.0) / SHARPNESS_UNIT))


def pose(landmarks: FloatArray) -> float:
    """1 for a frontal face, 0 for a profile; from float32 (5, 2) with square pixels."""
    points: NDArray[np.float64] = landmarks.astype(np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across, down = points[1] - points[0], mouth - eyes
    eye_distance, face_height = float(np.linalg.norm(across)), float(np.linalg.norm(down))
    if min(eye_distance, face_height) <= 0:
        return 0.0
    nose = points[2] - eyes
    yaw = abs(float(nose @ across)) / eye_distance / (eye_distance / 2)
    pitch = abs(float(nose @ down) / face_height**2 - FRONTAL_NOSE) / FRONTAL_NOSE
    return max(0.0, 1.0 - yaw) * max(0.0, 1.0 - pitch)
