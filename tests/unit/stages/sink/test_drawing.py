"""What is drawn stays within the picture, and off the faces that are hidden."""

from __future__ import annotations

import numpy as np
import pytest

from stages.frames import Faces, Identity
from stages.sink.drawing import TRACK_BGR, draw_faces


def faces(*boxes: tuple[float, float, float, float]) -> Faces:
    return Faces(
        boxes_xyxy=np.array(boxes, np.float32),
        scores=np.full(len(boxes), 0.9, np.float32),
        landmarks=np.array([[[(x1 + x2) / 2, (y1 + y2) / 2]] * 5 for x1, y1, x2, y2 in boxes], np.float32),
        track_ids=np.arange(1, len(boxes) + 1, dtype=np.int32),
        identities=tuple(Identity(f"p{number}", "Ada", 0.9, 0.0) for number in range(len(boxes))),
    )


def test_nothing_is_drawn_of_a_hidden_face() -> None:
    image = np.zeros((200, 400, 3), np.uint8)
    draw_faces(image, faces((20, 60, 90, 150), (240, 60, 310, 150)), hidden=np.array([True, False]))
    assert not image[:, :200].any()
    assert image[:, 200:].any()


@pytest.mark.parametrize(
    "box", [(40, -30, 140, 60), (40, 2, 140, 60), (-60, 80, 20, 160), (360, 80, 440, 160), (100, 210, 160, 260)]
)
def test_a_label_is_whole_wherever_the_face_is(box: tuple[float, float, float, float]) -> None:
    """As many pixels of its strip as in the middle of the picture; landmarks and lines of the box are left out."""
    found = []
    for drawn in ((150, 80, 250, 160), box):
        image = np.zeros((240, 400, 3), np.uint8)
        draw_faces(image, faces(drawn))
        rows = (image == TRACK_BGR[0]).all(axis=2).sum(axis=1)
        found.append(int((rows > 40).sum()))  # a strip is wider than what a box's two sides leave in a row
    assert found[1] >= found[0] - 1
