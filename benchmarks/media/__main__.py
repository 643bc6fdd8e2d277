"""Damaged media through the command line or the daemon: does anything hang, crash, or count as complete falsely?

    python -m benchmarks.media --count 1500 --seed 0 --through cli
    python -m benchmarks.media --count 1500 --seed 0 --through daemon

Every container with every damage, at places that the seed decides. Falsely complete is a film with fewer frames than
the whole one that says `complete: true`; where nothing in a file tells (see `films.TELL_NOTHING`) it is counted apart,
as untold. Prints a line for each finding and a summary; the exit code is 1 if there are any. Needs the command ffmpeg.
What is found stays in the folder.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.media.films import Damaged, damaged_films
from visage.service.ledger import JobState, Ledger

VISAGE = (sys.executable, "-c", "from visage.cli.main import main; main()")
ANALYSIS = {"embed": False, "track": False, "detector_size": 160, "device": "cpu"}
FLAGS = ("--no-embed", "--no-track", "--detector-size", "160", "--device", "cpu", "--log-level", "error", "-q")

BATCH = 40
BATCH_SECONDS = 900.0
ALONE_SECONDS = 180.0
STALL_SECONDS = 180.0


@dataclass(slots=True)
class Findings:
    """What went wrong, and how the rest ended."""

    found: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, film: Damaged | None, detail: str = "") -> None:
        self.found.append(kind)
        print(f"{kind}: {'' if film is None else film.path.name} {detail}".rstrip(), flush=True)

    def judge(self, film: Damaged, results: Path) -> bool:
        """Note a false "complete"; whether the results say that they are all."""
        path = results / "metadata.json"
        if not path.exists():
            self.ends["refused"] += 1
            return False
        metadata = json.loads(path.read_text())
        if not metadata["complete"]:
            self.ends["broken"] += 1
            return False
        self.ends["complete"] += 1
        if metadata["frames_decoded"] < film.frames:
            self.ends["complete"] -= 1
            self.ends["untold" if film.may_seem_whole else "falsely complete"] += 1
            if not film.may_seem_whole:
                self.note("FALSE COMPLETE", film, f"{metadata['frames_decoded']} of {film.frames} frames")
        return True


def run_cli(films: Sequence[Damaged], folder: Path, findings: Findings) -> None:
    """Batches; what hangs or dies is run again film by film, to find which one it is."""
    for start in range(0, len(films), BATCH):
        batch = films[start : start + BATCH]
        out = folder / f"out{start:05}"
        if not _run_once(batch, out, BATCH_SECONDS, findings, is_alone=False):
            for film in batch:
                _run_once([film], folder / "alone" / film.path.stem, ALONE_SECONDS, findings, is_alone=True)


def _run_once(films: Sequence[Damaged], out: Path, seconds: float, findings: Findings, *, is_alone: bool) -> bool:
    """False where it has to be run film by film."""
    only = films[0] if is_alone else None
    command = [*VISAGE, "run", *(str(film.path) for film in films), "--dst", str(out), "--force", *FLAGS]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        if is_alone:
            findings.note("HANG", only, f"{seconds:.0f} s")
        return is_alone
    if ended.returncode not in (0, 1) or "Traceback" in ended.stderr or "bug" in ended.stderr:
        if is_alone:
            kind = "TRACEBACK" if ended.returncode in (0, 1) else "CRASH"
            findings.note(kind, only, f"exit {ended.returncode}: {ended.stderr.strip()[-300:]}")
        return is_alone
    lines = [line for line in ended.stderr.splitlines() if line.startswith("visage: error: ")]
    are_complete = True
    for film in films:
        is_complete = findings.judge(film, out if is_alone else out / film.path.stem)
        are_complete &= is_complete
        if sum(film.path.name in line for line in lines) != (0 if is_complete else 1):
            findings.note("NOT TOLD" if not is_complete else "TOLD OF A WHOLE ONE", film)
    if ended.returncode != (0 if are_complete else 1):
        findings.note(
            "EXIT CODE", only, f"{ended.returncode} for a batch that is {'' if are_complete else 'not '}whole"
        )
    return True


def run_daemon(films: Sequence[Damaged], folder: Path, findings: Findings, model_dir: Path | None) -> None:
    """One daemon and one watched folder, until every film has ended."""
    config = folder / "visage.json"
    analysis = {**ANALYSIS, **({} if model_dir is None else {"model_dir": str(model_dir)})}
    places = {"path": str(films[0].path.parent), "output": str(folder / "served")}
    values = {
        "state_dir": str(folder / "state"),
        "analysis": analysis,
        "folders": {"films": {**places, "settle_seconds": 0.5, "include": ["*"]}},
        "files": {"attempts": 1},
        "web": {"enabled": False},
    }
    config.write_text(json.dumps(values))
    log = folder / "log.txt"
    with (
        log.open("wb") as stderr,
        subprocess.Popen([*VISAGE, "serve", "--config", str(config)], stderr=stderr) as daemon,
    ):
        ledger = None
        ended, since = -1, time.monotonic()
        while ended < len(films) and daemon.poll() is None and time.monotonic() - since < STALL_SECONDS:
            time.sleep(0.5)  # another process: nothing here to wait on
            if (folder / "state" / "ledger.sqlite").exists():
                ledger = ledger or Ledger(folder / "state" / "ledger.sqlite")
                counts = ledger.counts()
                now = sum(counts[state] for state in (JobState.DONE, JobState.FAILED, JobState.SET_ASIDE))
                if now != ended:
                    ended, since = now, time.monotonic()
        if daemon.poll() is not None:
            findings.note("CRASH", None, f"the daemon ended with {daemon.returncode}")
        elif ended < len(films):
            findings.note("HANG", None, f"{ended} of {len(films)} ended, then nothing for {STALL_SECONDS:.0f} s")
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
    text = log.read_text(errors="replace")
    if "Traceback" in text:
        findings.note("TRACEBACK", None, text[text.index("Traceback") :][:600])
    jobs = {} if ledger is None else {Path(job.path).name: job for job in ledger.jobs()}
    for film in films:
        is_complete = findings.judge(film, folder / "served" / f"{film.path.name}.visage")
        job = jobs.get(film.path.name)
        if job is not None and (job.state is JobState.DONE) != is_complete:
            findings.note("LEDGER", film, f"{job.state.value}, complete: {is_complete}")
    if ledger is not None:
        ledger.close()


def main() -> int:
    """Run the campaign; 1 if it found anything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--first", type=int, default=0, help="leave out those before, to go on where it was stopped")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--through", choices=["cli", "daemon"], default="cli")
    parser.add_argument("--folder", type=Path, help="where films and results go; default: a temporary folder")
    parser.add_argument("--model-dir", type=Path)
    options = parser.parse_args()
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="visage-damaged-"))).absolute()
    films = list(damaged_films(folder, count=options.count, seed=options.seed))[options.first :]
    started = time.monotonic()
    findings = Findings()
    if options.through == "cli":
        run_cli(films, folder, findings)
    else:
        run_daemon(films, folder, findings, options.model_dir)
    seconds = time.monotonic() - started
    ends = ", ".join(f"{number} {end}" for end, number in findings.ends.items())
    print(f"{len(films)} films through the {options.through} in {seconds:.0f} s, seed {options.seed}: {ends}")
    print(f"findings: {dict(Counter(findings.found)) or 'none'}")
    return 1 if findings.found else 0


if __name__ == "__main__":
    sys.exit(main())
