"""The whole daemon, as `visage serve` starts it, with a camera, seen through its page."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.media import Media
from visage.models import ModelStore
from visage.web.local import LocalToken

CHROMIUM = shutil.which("chromium")
START_SECONDS = 60.0
STOP_SECONDS = 10.0
FPS = 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture
def camera(media: Media) -> Iterator[str]:
    """The address of a camera that sends MJPEG: a photograph that drifts to and fro, then nobody for 3 s."""
    photograph = cv2.imread(str(media.path("obama.jpg")))
    assert photograph is not None
    wide = cv2.resize(photograph[:512], (720, 405), interpolation=cv2.INTER_AREA)
    pictures = []
    for shift in [*range(0, 80, 4), *range(80, 0, -4)]:
        _, data = cv2.imencode(".jpg", np.ascontiguousarray(wide[20:380, shift : shift + 640]))
        pictures.append(data.tobytes())
    _, nobody = cv2.imencode(".jpg", np.full((360, 640, 3), 60, np.uint8))
    pictures += [nobody.tobytes()] * 3 * FPS
    is_over = threading.Event()

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            number = 0
            with contextlib.suppress(OSError):  # the daemon has gone
                while not is_over.wait(1 / FPS):
                    picture = pictures[number % len(pictures)]
                    head = f"--frame\r\ncontent-type: image/jpeg\r\ncontent-length: {len(picture)}\r\n\r\n"
                    self.wfile.write(head.encode() + picture + b"\r\n")
                    number += 1

        def log_message(self, format: str, *args: object) -> None:
            """Not on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://viewer:hunter2secret@127.0.0.1:{server.server_port}/live"
    is_over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def daemon(camera: str, models: ModelStore, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its page's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "visage.yaml"
    config.write_text(
        f"state_dir: {tmp_path}/state\n"
        f"analysis:\n  model_dir: {models.model_dir}\n  device: cpu\n  threads: 2\n  embed: best\n"
        f"  gallery: {tmp_path}/people\n"
        f"cameras:\n  door:\n    address: {camera}\n"
        f"web:\n  port: {port}\n  token_file: {tmp_path}/tokens.json\n  audit_file: {tmp_path}/audit.jsonl\n"
    )
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("visage")), "serve", "--config", str(config)],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while not answers(url):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)  # another process: nothing else tells
        yield process, url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz").status_code == 200
    return False


def test_a_camera_is_seen_on_the_page_and_the_daemon_stops_with_viewers(
    daemon: tuple[subprocess.Popen[str], str],
    media: Media,
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """Pictures with boxes, a track, a name, metrics; then SIGTERM while the page and an event stream are open."""
    process, url = daemon
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        local = LocalToken.read(tmp_path / "state" / "local.json")
        client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {local.token}"}, timeout=30)
        code = client.post("/api/v1/session/invitation").json()["code"]
        page.goto(f"{url}/#sign-in={code}")
        expect(page.locator(".tile .box").first).to_be_visible(timeout=30_000)
        expect(page.locator("#tracks > li").first).to_contain_text("door", timeout=30_000)
        # Enrolled while the camera runs: from another photograph of the same person.
        enrolled = client.post(
            "/api/v1/people",
            data={"name": "Ada"},
            files={"pictures": media.path("obama2.jpg").read_bytes()},
        )
        assert enrolled.status_code == 201, enrolled.text
        expect(page.locator(".tile .box.known").first).to_have_text("Ada", timeout=30_000)
        expect(page.locator("#tracks")).to_contain_text("Ada", timeout=30_000)
        page.goto(f"{url}/#people")
        expect(page.locator("#known .person")).to_contain_text("Ada")
        page.goto(f"{url}/#sources")
        expect(page.locator("#source-list > li")).to_contain_text("running")
        snapshot = client.get("/api/v1/sources/door/snapshot.jpg")
        assert snapshot.status_code == 200
        assert cv2.imdecode(np.frombuffer(snapshot.content, np.uint8), cv2.IMREAD_COLOR) is not None
        (source,) = client.get("/api/v1/sources").json()
        assert source["faces"] > 0
        assert source["fps"] == pytest.approx(FPS, rel=0.5)
        assert "visage_" in client.get("/metrics").text
        for path in ("/api/v1/sources", "/api/v1/events/recent", "/metrics", "/api/v1/status"):
            assert "hunter2secret" not in client.get(path).text
        assert complaints == []
        page.goto(f"{url}/#live")
        expect(page.locator(".tile .box").first).to_be_visible()
        with contextlib.closing(client), client.stream("GET", "/api/v1/events") as stream:
            next(stream.iter_lines())
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_SECONDS) == 0, (tmp_path / "log").read_text()
            seconds = time.monotonic() - began
        browser.close()
    record_testsuite_property("stop_seconds", seconds)
    assert seconds < STOP_SECONDS
    assert "hunter2secret" not in (tmp_path / "log").read_text()
