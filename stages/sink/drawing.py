"""Faces drawn for people's eyes: box, name, track, score, landmarks.

A track keeps its colour; followed faces are thinner.
"""

from __future__ import annotations

import unicodedata

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces

__all__ = ["draw_faces"]

BOX_BGR = (80, 220, 60)
TRACK_BGR = (
    (80, 220, 60),
    (60, 160, 255),
    (255, 160, 60),
    (220, 80, 220),
    (60, 220, 230),
    (230, 210, 60),
    (120, 110, 255),
    (200, 200, 200),
)
"""Colours of the tracks, by turns."""
LANDMARK_BGR = (40, 200, 255)
TEXT_BGR = (255, 255, 255)

FRAME_HEIGHT_PER_LINE_PIXEL = 360  # a box's line is 1 pixel wide in 360p, 3 in 1080p
SUBPIXEL_BITS = 4  # OpenCV takes coordinates as fixed point


def draw_faces(image: NDArray[np.uint8], faces: Faces, *, hidden: NDArray[np.bool_] | None = None) -> None:
    """Draw into the picture, uint8 (H, W, 3), BGR, in place. `hidden`: bool (N,), the faces to draw nothing of."""
    thickness = max(1, round(image.shape[0] / FRAME_HEIGHT_PER_LINE_PIXEL))
    for number, score in enumerate(faces.scores.tolist()):
        if hidden is not None and hidden[number]:
            continue
        left, top, right, bottom = _fixed_point(faces.boxes_xyxy[number])
        track = 0 if faces.track_ids is None else int(faces.track_ids[number])
        colour = TRACK_BGR[(track - 1) % len(TRACK_BGR)] if track else BOX_BGR
        is_followed = faces.propagated is not None and bool(faces.propagated[number])
        width = max(1, thickness // 2) if is_followed else thickness
        cv2.rectangle(image, (left, top), (right, bottom), colour, width, cv2.LINE_AA, SUBPIXEL_BITS)
        identity = None if faces.identities is None else faces.identities[number]
        known = "" if identity is None or identity.person_id is None else f"{_ascii(identity.name)} "
        label = f"{known}#{track} {score:.2f}" if track else f"{known}{score:.2f}"
        _draw_label(image, label, (left >> SUBPIXEL_BITS, top >> SUBPIXEL_BITS), thickness, colour)
        for x, y in [] if faces.landmarks is None else faces.landmarks[number]:
            column, row = _fixed_point(np.array([x, y]))
            radius = thickness << SUBPIXEL_BITS
            cv2.circle(image, (column, row), radius, LANDMARK_BGR, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def _ascii(name: str) -> str:
    """OpenCV's font has no other letters: accents are left out, the rest becomes a question mark."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(mark for mark in plain if not unicodedata.combining(mark)).encode("ascii", "replace").decode()


def _fixed_point(coordinates: NDArray[np.float32]) -> list[int]:
    """From pixel corners, where (0, 0) is the picture's corner, to OpenCV's pixel centres in fixed point."""
    fixed: list[int] = np.rint((coordinates - 0.5) * (1 << SUBPIXEL_BITS)).astype(int).tolist()
    return fixed


def _draw_label(
    image: NDArray[np.uint8], text: str, corner: tuple[int, int], thickness: int, colour: tuple[int, int, int]
) -> None:
    """Text on a filled strip that sits on the box's upper edge, or below it; within the picture where it fits."""
    left, top = corner
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45 * thickness
    (width, height), baseline = cv2.getTextSize(text, font, scale, thickness)
    bottom = top if top >= height + baseline else top + height + baseline
    bottom = max(min(bottom, image.shape[0]), height + baseline)
    left = max(min(left, image.shape[1] - width), 0)
    cv2.rectangle(image, (left, bottom - height - baseline), (left + width, bottom), colour, cv2.FILLED)
    cv2.putText(image, text, (left, bottom - baseline // 2), font, scale, TEXT_BGR, thickness, cv2.LINE_AA)
