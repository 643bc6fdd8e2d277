"""Soak: N cameras for so many minutes; resident memory, threads, files, latency and drops, a line every ten seconds.

    python benchmarks/service/soak.py --cameras 16 --minutes 30 --picture face.jpg

Starts an RTSP server (GStreamer's, see tests/servers) of one endless 640x360 camera at 10 fps, which all cameras watch,
and the daemon beside it. Growth is the median of the last fifth over the median of the second fifth: the first one
warms up. The server encodes once, but its work and the watching share this machine's cores.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.servers.rtsp import RtspServer

INTERVAL_SECONDS = 10.0
STARTING_SECONDS = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--fps", type=int, default=10)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    server = RtspServer(fps=options.fps, picture=options.picture)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = soak(Path(folder), server.url, options.cameras, options.minutes)
    finally:
        server.stop()
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


def soak(folder: Path, url: str, cameras: int, minutes: float) -> dict[str, object]:
    """Run the daemon and watch it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "visage.json"
    config.write_text(
        json.dumps(
            {
                "state_dir": str(folder / "state"),
                "cameras": {f"cam{number:02d}": {"address": url} for number in range(cameras)},
                "events": {"jsonl": str(folder / "events.jsonl")},
                "web": {"port": port, "token_file": str(folder / "t.json"), "audit_file": str(folder / "a.jsonl")},
            }
        )
    )
    command = [sys.executable, "-c", "from visage.cli.main import main; main()", "serve", "--config", str(config)]
    with (folder / "log.txt").open("w") as log:
        daemon = subprocess.Popen(command, stderr=log)
    samples = []
    try:
        process = psutil.Process(daemon.pid)
        wait_for(port)
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            time.sleep(min(INTERVAL_SECONDS, max(0.1, until - time.monotonic())))
            samples.append(sample(process, port))
            print(samples[-1], file=sys.stderr, flush=True)
        started = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(60)
        shutdown_seconds = time.monotonic() - started
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()
    fifth = max(1, len(samples) // 5)
    early, late = samples[fifth : 2 * fifth] or samples[:1], samples[-fifth:]
    growth = {
        name: round(statistics.median(s[name] for s in late) / statistics.median(s[name] for s in early) - 1, 4)
        for name in ("rss_mib", "threads", "files")
    }
    last = samples[-1]
    seconds = 60 * minutes
    return {
        "cameras": cameras,
        "minutes": minutes,
        "growth": growth,
        "last": last,
        "frames_decoded_a_second": round(last["decoded"] / seconds, 1),
        "frames_looked_at_a_second": round(last["looked_at"] / seconds, 1),
        "dropped_share": round(last["dropped"] / max(1, last["decoded"]), 4),
        "shutdown_seconds": round(shutdown_seconds, 2),
        "exit_code": code,
    }


def wait_for(port: int) -> None:
    """Until the daemon answers."""
    until = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10)
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
        else:
            return


def sample(process: psutil.Process, port: int) -> dict[str, float]:
    """One reading of the process and of its metrics."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    buckets = sorted(
        (float(name.partition('le="')[2].partition('"')[0]), float(value))
        for name, value in values.items()
        if name.startswith("visage_latency_seconds_bucket") and 'kind="camera"' in name
    )
    total = buckets[-1][1] if buckets else 0.0
    with process.oneshot():
        return {
            "rss_mib": round(process.memory_info().rss / 2**20, 1),
            "threads": process.num_threads(),
            "files": process.num_fds(),
            "cpu_seconds": round(sum(process.cpu_times()[:2]), 1),
            "decoded": float(values.get("visage_frames_decoded_total", 0)),
            "looked_at": float(values.get("visage_frames_looked_at_total", 0)),
            "dropped": float(values.get('visage_frames_dropped_total{reason="inbox full"}', 0)),
            "running": sum(float(v) for n, v in values.items() if "visage_camera_state" in n and '"running"' in n),
            "latency_p95_at_most": next((le for le, count in buckets if total and count >= 0.95 * total), 0.0),
        }


if __name__ == "__main__":
    main()
