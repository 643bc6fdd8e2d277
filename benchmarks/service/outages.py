"""An RTSP server that is killed and started again, N times: how long until every camera is back?

    python benchmarks/service/outages.py --cameras 4 --outages 20 --picture face.jpg

Half of the cameras watch a second server that stays up: they must not notice.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.servers.rtsp import RtspServer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--outages", type=int, default=20)
    parser.add_argument("--down-seconds", type=float, default=2.0)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    shaky, steady = RtspServer(picture=options.picture), RtspServer(picture=options.picture)
    try:
        shaky.start()
        steady.start()
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(torment(Path(folder), shaky, steady, options), indent=2))
    finally:
        shaky.stop()
        steady.stop()


def torment(folder: Path, shaky: RtspServer, steady: RtspServer, options: argparse.Namespace) -> dict[str, object]:
    """Kill and start the server; watch the states that the API gives."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    urls = {f"{'shaky' if n % 2 else 'steady'}{n}": (shaky if n % 2 else steady).url for n in range(options.cameras)}
    config = folder / "visage.json"
    config.write_text(
        json.dumps(
            {
                "state_dir": str(folder / "state"),
                "cameras": {name: {"address": url, "timeout_seconds": 3} for name, url in urls.items()},
                "web": {"port": port, "token_file": str(folder / "t.json"), "audit_file": str(folder / "a.jsonl")},
            }
        )
    )
    command = [sys.executable, "-c", "from visage.cli.main import main; main()", "serve", "--config", str(config)]

    def states() -> dict[str, tuple[str, int]]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/sources", timeout=5).json()
        except httpx.TransportError:
            return {}
        return {source["source_id"]: (source["state"], source["reconnects"]) for source in answer}

    def wait(turn: int) -> float:
        started = time.monotonic()
        while True:
            now = states()
            if now and all(s == "running" and (c >= turn or "steady" in name) for name, (s, c) in now.items()):
                return time.monotonic() - started
            if time.monotonic() - started > 120:
                raise SystemExit(f"not all are back: {now}")
            time.sleep(0.1)

    with (folder / "log.txt").open("w") as log:
        daemon = subprocess.Popen(command, stderr=log)
        try:
            wait(0)
            seconds = []
            for turn in range(1, options.outages + 1):
                shaky.stop()
                time.sleep(options.down_seconds)
                shaky.start()
                seconds.append(round(wait(turn), 2))
                print(turn, seconds[-1], file=sys.stderr, flush=True)
            steady_reconnects = sum(count for name, (_, count) in states().items() if "steady" in name)
            started = time.monotonic()
            daemon.send_signal(signal.SIGTERM)
            code = daemon.wait(60)
        finally:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()
    return {
        "cameras": options.cameras,
        "outages": options.outages,
        "seconds_until_all_are_back": {"mean": round(sum(seconds) / len(seconds), 2), "max": max(seconds)},
        "reconnects_of_cameras_at_the_other_server": steady_reconnects,
        "shutdown_seconds": round(time.monotonic() - started, 2),
        "exit_code": code,
    }


if __name__ == "__main__":
    main()
