"""How long the API's lists take beside a large gallery, over HTTP: one client, then eight at once.

    python benchmarks/service/lists.py --people 5000 --sightings 200000

Fills a gallery, starts the daemon over it and asks each list again and again. Prints the median, the 95th percentile
and the longest answer of each list in milliseconds; the daemon and the clients share this machine's cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from visage.people import Gallery, open_gallery

STARTING_SECONDS = 120.0
SOURCES = 20
UNKNOWNS = 400
KNOWN_SHARE = 0.8
SPAN_SECONDS = 90 * 86400
LISTS = (
    "/people",
    "/people?search=er 12",
    "/unknowns",
    "/sightings",
    "/sightings?limit=500",
    "/sightings?source=cam-7",
    "/sightings?source=cam-1*",
    "/sightings?person_id=p77",
    "/events/recent",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--sightings", type=int, default=200_000)
    parser.add_argument("--requests", type=int, default=100, help="of each list, by each client")
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with open_gallery(Path(folder) / "people", model="sface") as gallery:
            fill(gallery, options.people, options.sightings)
        with running_daemon(Path(folder)) as (url, token, _):
            print(json.dumps(measure(url, token, options.requests, options.clients), indent=2))


def fill(gallery: Gallery, people: int, sightings: int) -> None:
    """Store people with two pictures each, and sightings of them and of unknowns at several cameras."""
    chance = random.Random(1)
    vectors = np.random.default_rng(1)
    database, now = gallery.database, time.time()

    def embedding() -> bytes:
        return vectors.standard_normal(gallery.dimension).astype(np.float32).tobytes()

    with database.transaction():
        database.write_many(
            "INSERT INTO people (id, name, created_at) VALUES (?, ?, ?)",
            [(number, f"Visitor {number}", now) for number in range(1, people + 1)],
        )
        database.write_many(
            "INSERT INTO pictures (person_id, origin, digest, quality, added_at, embedding) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (number, "upload", f"{number}-{picture}", 0.8, now, embedding())
                for number in range(1, people + 1)
                for picture in range(2)
            ],
        )
        database.write_many(
            "INSERT INTO unknowns (id, centroid, weight) VALUES (?, ?, 1)",
            [(number, embedding()) for number in range(1, UNKNOWNS + 1)],
        )
        database.write_many(
            "INSERT INTO sightings (source, uri, track_id, started_at, start_seconds, end_seconds, frames, best_frame,"
            " best_seconds, quality, person_id, unknown_id, crop, is_live)"
            " VALUES (?, 'rtsp://192.168.1.20/main', ?, ?, ?, ?, 40, 20, 2, 0.7, ?, ?, ?, 1)",
            [
                (
                    f"cam-{chance.randrange(SOURCES)}",
                    number,
                    now - SPAN_SECONDS * (1 - number / sightings),
                    float(number),
                    number + 4.0,
                    # No embedding: the index, which no list asks, would be filled meanwhile. The crop is as large.
                    *(
                        (chance.randint(1, people), None)
                        if chance.random() < KNOWN_SHARE
                        else (None, chance.randint(1, UNKNOWNS))
                    ),
                    bytes(512) if number % 2 else None,
                )
                for number in range(sightings)
            ],
        )


def measure(url: str, token: str, requests: int, clients: int) -> dict[str, object]:
    """Milliseconds, by list."""
    return {
        path: {"one": ask(url, token, path, requests, 1), "at_once": ask(url, token, path, requests // 4, clients)}
        for path in LISTS
    }


@contextlib.contextmanager
def running_daemon(folder: Path) -> Iterator[tuple[str, str, psutil.Process]]:
    """A daemon with the gallery `people` of a folder: its address, the token of its user, its process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "visage.json"
    config.write_text(
        json.dumps(
            {
                "state_dir": str(folder / "state"),
                "analysis": {"gallery": str(folder / "people")},
                "web": {
                    "port": port,
                    "token_file": str(folder / "t.json"),
                    "audit_file": str(folder / "a.jsonl"),
                    "requests_per_second": 1e6,
                    "burst": 1_000_000,
                },
            }
        )
    )
    command = [sys.executable, "-c", "from visage.cli.main import main; main()", "serve", "--config", str(config)]
    with (folder / "log.txt").open("w") as log:
        daemon = subprocess.Popen(command, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url)
        token = json.loads((folder / "state" / "local.json").read_text())["token"]
        yield url, token, psutil.Process(daemon.pid)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)


def ask(url: str, token: str, path: str, requests: int, clients: int) -> dict[str, float]:
    """Ask for one list from so many clients at once."""
    taken: list[float] = []
    ready = threading.Barrier(clients)

    def client() -> None:
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as session:
            session.get("/status").raise_for_status()
            ready.wait()
            for _ in range(requests):
                began = time.monotonic()
                session.get(path).raise_for_status()
                taken.append(1000 * (time.monotonic() - began))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "median": round(statistics.median(taken), 1),
        "p95": round(statistics.quantiles(taken, n=20)[-1], 1),
        "max": round(max(taken), 1),
    }


def wait_for(url: str) -> None:
    """Until the daemon answers."""
    until = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            httpx.get(f"{url}/healthz", timeout=10)
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
