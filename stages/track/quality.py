"""How well a face is seen, in [0, 1]: the product of its size, sharpness, pose and score, each in [0, 1].

    size       min(1, shorter side of the box / 112): below the embedder's 112 pixels there is less to see
    sharpness  1 - exp(-v / 0.1): v is the variance of the Laplacian over the variance of the patch itself, both on a
               face scaled to 64 pixels, so that neither its size nor its contrast counts (after Pech-Pacheco et al.,
               "Diatom autofocusing in brightfield microscopy", ICPR 2000)
    pose       (1 - yaw)(1 - pitch): yaw is how far the nose lies off the middle of the eyes, as a part of half their
               distance; pitch how far its height between eyes and mouth is from a frontal face's, as a part of that;
               both along the face's own axes, so that a tilted head loses nothing; 1 without landmarks
    score      the detector's

The product follows Best-Rowden and Jain's observation ("Learning face image quality from human assessments", IEEE TIFS
2018) that a face has to be good in every respect: one bad factor spoils it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from stages.embed.align import ARCFACE_112
from stages.frames import FloatArray
from stages.imaging.patches import FACE_SIDE, PATCH_SIDE, Gray

__all__ = ["pose", "quality", "sharpness", "shown_pose"]

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
        sharp: its `sharpness`.
    """
    left, top, right, bottom = box_xyxy.tolist()
    width: float = right - left
    height: float = bottom - top
    size = min(1.0, max(0.0, min(width * pixel_aspect, height)) / FULL_SIZE)
    return size * shown_pose(landmarks, pixel_aspect) * score * sharp


def shown_pose(landmarks: FloatArray | None, pixel_aspect: float) -> float:
    """The pose of a face, with pixels that may not be square; 1 without landmarks."""
    if landmarks is None:
        return 1.0
    return pose(landmarks if pixel_aspect == 1 else np.asarray(landmarks * (pixel_aspect, 1), np.float32))


def sharpness(patch: Gray) -> float:
    """Return the sharpness, 0 to 1, of the face in the middle of a patch."""
    margin = (PATCH_SIDE - FACE_SIDE * 3 // 4) // 2
    face = patch[margin:-margin, margin:-margin]
    _, contrast = cv2.meanStdDev(face)
    _, detail = cv2.meanStdDev(cv2.Laplacian(face, cv2.CV_16S))
    return 1.0 - math.exp(-(float(detail[0, 0]) ** 2) / max(float(contrast[0, 0]) ** 2, 1.0) / SHARPNESS_UNIT)


def pose(landmarks: FloatArray) -> float:
    """1 for a frontal face, 0 for a profile; from float32 (5, 2) with square pixels."""
    (left_x, left_y), (right_x, right_y), (nose_x, nose_y), *mouth = landmarks.tolist()
    eyes_x, eyes_y = (left_x + right_x) / 2, (left_y + right_y) / 2
    across_x, across_y = right_x - left_x, right_y - left_y
    down_x, down_y = (mouth[0][0] + mouth[1][0]) / 2 - eyes_x, (mouth[0][1] + mouth[1][1]) / 2 - eyes_y
    eye_distance, face_height = math.hypot(across_x, across_y), math.hypot(down_x, down_y)
    if min(eye_distance, face_height) <= 0:
        return 0.0
    nose_x, nose_y = nose_x - eyes_x, nose_y - eyes_y
    yaw = abs(nose_x * across_x + nose_y * across_y) / eye_distance / (eye_distance / 2)
    pitch = abs((nose_x * down_x + nose_y * down_y) / face_height**2 - FRONTAL_NOSE) / FRONTAL_NOSE
    frontal: float = max(0.0, 1.0 - yaw) * max(0.0, 1.0 - pitch)
    return frontal
