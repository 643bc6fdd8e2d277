"""Twelve cameras that are broken in ways of their own beside one that works: does that one notice?

    python benchmarks/service/broken_cameras.py --minutes 2

Servers that are silent, hang up, talk nonsense, redirect in a circle or answer 404, over RTSP and HTTP. The good one
sends ten pictures a second as MJPEG. Prints its rate, the state of each and what the daemon grew by.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.service.lists import wait_for
from tests.servers.mjpeg import MjpegCamera

FPS = 10
ANSWERS = {
    "hangs up": b"",
    "nonsense": b"\x00\xff" * 500,
    "404": b"%s/1.0 404 Not Found\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n",
    "no picture": b"%s/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno",
    "circle": b"%s/1.0 302 Found\r\nCSeq: 1\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as owned:
        addresses = {
            f"{scheme} {name}": owned.enter_context(broken(scheme, answer))
            for scheme in ("rtsp", "http")
            for name, answer in [*ANSWERS.items(), ("silent", None)]
        }
        count = int(60 * FPS * (options.minutes + 5))
        good = owned.enter_context(MjpegCamera(count=count, interval_seconds=1 / FPS))
        print(json.dumps(watch(Path(folder), {**addresses, "good": good.url}, options.minutes), indent=2))


@contextlib.contextmanager
def broken(scheme: str, answer: bytes | None) -> Iterator[str]:
    """A server that gives one answer to everyone, and hangs up; with None it says nothing. Yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/main"
        if answer is not None and b"%s" in answer:
            answer = answer.replace(b"%s", scheme.upper().encode(), 1).replace(b"%s", address.encode())
        kept: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):  # it is closed
                while True:
                    connection, _ = server.accept()
                    kept.append(connection)
                    if answer is not None:
                        with connection, contextlib.suppress(OSError):
                            connection.recv(4096)
                            connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield address
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in kept:
                connection.close()


def watch(folder: Path, addresses: dict[str, str], minutes: float) -> dict[str, object]:
    """Run a daemon over all of them."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "visage.json"
    cameras = {name.replace(" ", "-"): {"address": address} for name, address in addresses.items()}
    web = {"port": port, "token_file": str(folder / "t.json"), "audit_file": str(folder / "a.jsonl")}
    config.write_text(json.dumps({"state_dir": str(folder / "state"), "cameras": cameras, "web": web}))
    command = [sys.executable, "-c", "from visage.cli.main import main; main()", "serve", "--config", str(config)]
    with (folder / "log.txt").open("w") as log:
        daemon = subprocess.Popen(command, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url)
        headers = {"authorization": f"Bearer {json.loads((folder / 'state' / 'local.json').read_text())['token']}"}
        process = psutil.Process(daemon.pid)
        with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as client:
            time.sleep(15 * minutes)  # warming up
            before, early = frames(client), process.memory_info().rss
            time.sleep(45 * minutes)
            after, late = frames(client), process.memory_info().rss
            states = {source["source_id"]: source["state"] for source in client.get("/sources").json()}
    finally:
        daemon.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = daemon.wait(60)
    return {
        "fps_of_the_good_one": round((after - before) / (45 * minutes), 2),
        "states": states,
        "growth": round(late / early - 1, 4),
        "shutdown_seconds": round(time.monotonic() - began, 1),
        "exit_code": code,
    }


def frames(client: httpx.Client) -> int:
    return int(client.get("/sources/good").json()["frames"])


if __name__ == "__main__":
    main()
