"""Kill -9 at random moments over a folder of clips: is every file complete exactly once, and nothing half there?

    python benchmarks/service/kills.py --clip movie.mp4 --clips 20 --kills 50

The clips are copies of one, made different behind the last box of the MP4, which no decoder looks at; so their tables
must be the same byte for byte.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from visage.service.ledger import JobState, Ledger

LONGEST_SECONDS = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(torment(Path(folder), options), indent=2))


def torment(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Start, kill, and in the end let it finish."""
    films = folder / "films"
    films.mkdir()
    for number in range(options.clips):
        (films / f"clip{number:02d}.mp4").write_bytes(options.clip.read_bytes() + f"____free{number:02d}".encode())
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
    moments = random.Random(options.seed)
    done_at_kill = []
    ledger = Ledger(folder / "state" / "ledger.sqlite")
    with (folder / "log.txt").open("w") as log:
        for _ in range(options.kills):
            daemon = subprocess.Popen(command, stderr=log)
            time.sleep(moments.uniform(0.2, LONGEST_SECONDS))
            daemon.kill()
            daemon.wait()
            done_at_kill.append(ledger.counts()[JobState.DONE])
        daemon = subprocess.Popen(command, stderr=log)
        until = time.monotonic() + 600
        while ledger.counts()[JobState.DONE] < options.clips and time.monotonic() < until:
            time.sleep(0.2)
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
    jobs = ledger.jobs()
    tables = {path.read_bytes() for path in (folder / "out").rglob("detections.csv")}
    return {
        "kills": options.kills,
        "clips": options.clips,
        "kills_before_all_were_done": sum(done < options.clips for done in done_at_kill),
        "states": {state.value: sum(job.state is state for job in jobs) for state in JobState},
        "completions": sorted({job.completions for job in jobs}),
        "most_deaths_of_a_file": max(job.deaths for job in jobs),
        "complete_outputs": sum(
            json.loads(path.read_text())["complete"] for path in (folder / "out").rglob("metadata.json")
        ),
        "half_outputs": len(list((folder / "out").rglob("*.part"))),
        "different_tables": len(tables),
    }


if __name__ == "__main__":
    main()
