"""Whose face is made unrecognisable."""

from __future__ import annotations

import numpy as np
import pytest

from stages.frames import Faces, Identity
from stages.sink.blur import blur_faces

ADA, SOMEBODY = Identity("p1", "Ada", 0.9, 0.0), Identity(None, "unknown", 0.1, 0.0)


@pytest.mark.parametrize(
    ("whom", "blurred"),
    [
        ("all", [True, True, True]),
        ("unknown", [False, True, True]),
        ("Ada", [True, False, True]),  # nobody has looked at the third one yet
        ("ada", [True, False, True]),
        ("Bob", [False, False, True]),
    ],
)
def test_those_who_are_meant_and_nobody_else(whom: str, blurred: list[bool]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 300, 3)).astype(np.uint8)
    before = image.copy()
    faces = Faces(
        boxes_xyxy=np.array([[20, 20, 80, 80], [120, 20, 180, 80], [220, 20, 280, 80]], np.float32),
        scores=np.ones(3, np.float32),
        identities=(ADA, SOMEBODY, None),
    )
    assert blur_faces(image, faces, whom).tolist() == blurred
    found = [bool((image[20:80, left : left + 60] != before[20:80, left : left + 60]).any()) for left in (20, 120, 220)]
    assert found == blurred
    for left, is_blurred in zip((20, 120, 220), blurred, strict=True):
        colours = len(np.unique(image[20:80, left : left + 60].reshape(-1, 3), axis=0))
        assert (colours <= 36) == is_blurred
