"""A caller who means harm: silent connections by the thousand, and uploads as large as they may be. What does it cost?

    python benchmarks/service/pressure.py --connections 2000 --uploads 20

Prints how long `/healthz` and a viewer's call take beside the connections, and by how much uploads let the daemon and
the processes that it starts grow: large pictures in the formats that are read, within `web.upload_bytes`.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import resource
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.service.lists import running_daemon

CALLS = 50
SAMPLE_SECONDS = 0.02
SPARE_FILES = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--uploads", type=int, default=20)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, options.connections + SPARE_FILES), most))
    with tempfile.TemporaryDirectory() as folder, running_daemon(Path(folder)) as (url, token, process):
        result = {
            "connections": silence(url, token, options.connections),
            "uploads": uploads(url, token, process, options.uploads),
        }
    print(json.dumps(result, indent=2))


def silence(url: str, token: str, count: int) -> dict[str, object]:
    """Milliseconds of calls while so many connections are open and say nothing."""
    address = httpx.URL(url)
    with contextlib.ExitStack() as owned:
        for _ in range(count):
            owned.enter_context(socket.create_connection((address.host, address.port or 80), 10))
        return {"open": count, "healthz": timed(f"{url}/healthz", ""), "status": timed(f"{url}/api/v1/status", token)}


def timed(url: str, token: str) -> dict[str, float]:
    """Every call on a connection of its own, by a plain client, as httpx takes long to begin."""
    address = httpx.URL(url)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    taken = []
    for _ in range(CALLS):
        began = time.monotonic()
        with contextlib.closing(http.client.HTTPConnection(address.host, address.port, timeout=30)) as client:
            client.request("GET", address.path, headers=headers)
            assert client.getresponse().read()
        taken.append(1000 * (time.monotonic() - began))
    return {"median": round(statistics.median(taken), 1), "max": round(max(taken), 1)}


def uploads(url: str, token: str, process: psutil.Process, count: int) -> dict[str, object]:
    """The most that daemon and children have more than before, MiB, while pictures are searched for."""
    headers = {"authorization": f"Bearer {token}"}
    idle, made = memory(process), pictures()
    # The networks are loaded for the first picture, whoever sends it; they are no one's upload.
    httpx.post(f"{url}/api/v1/search", headers=headers, files={"picture": made[-1]}, timeout=120)
    before, peak, done = memory(process), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            peak[0] = max(peak[0], memory(process))

    watching = threading.Thread(target=watch)
    watching.start()
    statuses = []
    try:
        for number in range(count):
            picture = made[number % len(made)]
            answer = httpx.post(f"{url}/api/v1/search", headers=headers, files={"picture": picture}, timeout=120)
            statuses.append(answer.status_code)
    finally:
        done.set()
        watching.join()
    return {
        "statuses": sorted(set(statuses)),
        "networks_mib": round(before - idle, 1),
        "before_mib": round(before, 1),
        "peak_growth_mib": round(peak[0] - before, 1),
        "after_growth_mib": round(memory(process) - before, 1),
    }


def pictures() -> list[bytes]:
    """Large pictures without a face, each within the limit of an upload."""
    noise = np.random.default_rng(1).integers(0, 255, (1200, 1600, 3), np.uint8)
    flat = Image.new("RGB", (12000, 9000), (90, 120, 140))
    small = Image.new("RGB", (320, 240), (90, 120, 140))
    found = []
    for image, name in (
        (Image.fromarray(noise), "PNG"),
        (flat, "PNG"),
        (flat, "JPEG"),
        (flat, "WEBP"),
        (small, "JPEG"),
    ):
        data = io.BytesIO()
        image.save(data, name)
        found.append(data.getvalue())
    return found


def memory(process: psutil.Process) -> float:
    """MiB that a process and its children have to themselves."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += one.memory_info().rss - one.memory_info().shared
    return total / 2**20


if __name__ == "__main__":
    main()
