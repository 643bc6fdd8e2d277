"""Many films in a watched folder: is each done exactly once, and does memory stay?

    python benchmarks/service/films.py --clip movie.mp4 --films 10000

The films are copies of one clip, made different behind the last box of the MP4. Growth is the daemon's resident memory
when all are done over what it was when a tenth was.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from visage.service.ledger import JobState, Ledger

PATIENCE_SECONDS = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--films", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(watch(Path(folder), options.clip.read_bytes(), options.films), indent=2))


def watch(folder: Path, clip: bytes, count: int) -> dict[str, object]:
    """Let a daemon do them all."""
    films = folder / "films"
    films.mkdir()
    for number in range(count):
        (films / f"film{number:05d}.mp4").write_bytes(clip + f"____free{number:05d}".encode())
    config = folder / "visage.json"
    config.write_text(
        json.dumps(
            {
                "state_dir": str(folder / "state"),
                "folders": {"films": {"path": str(films), "output": str(folder / "out"), "settle_seconds": 0.1}},
                "web": {"enabled": False},
            }
        )
    )
    command = [sys.executable, "-c", "from visage.cli.main import main; main()", "serve", "--config", str(config)]
    began = time.monotonic()
    with (folder / "log.txt").open("w") as log:
        daemon = subprocess.Popen(command, stderr=log)
    process, early = psutil.Process(daemon.pid), 0.0
    ledger = Ledger(folder / "state" / "ledger.sqlite")
    done, advanced = 0, time.monotonic()
    while done < count and time.monotonic() - advanced < PATIENCE_SECONDS:
        time.sleep(0.2)
        now = ledger.counts()[JobState.DONE]
        advanced = time.monotonic() if now > done else advanced
        done = now
        if not early and done >= count // 10:
            early = process.memory_info().rss / 2**20
    late = process.memory_info().rss / 2**20
    seconds = time.monotonic() - began
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)
    jobs = ledger.jobs()
    ledger.close()
    return {
        "films": count,
        "seconds": round(seconds, 1),
        "states": {state.value: sum(job.state is state for job in jobs) for state in JobState},
        "completions": sorted({job.completions for job in jobs}),
        "outputs": len(list((folder / "out").rglob("metadata.json"))),
        "early_mib": round(early, 1),
        "late_mib": round(late, 1),
        "growth": round(late / early - 1, 4) if early else None,
    }


if __name__ == "__main__":
    main()
