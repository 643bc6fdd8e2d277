"""How long the interpreter's lock is held for a frame, and by which threads, while a card is kept busy.

    python -m benchmarks.interpreter --device cuda:0 --videos 16 [--codec hevc] [--track] [--workers N] [--lines]

py-spy (on the PATH) samples who holds the lock in one worker process and in the one that collects the results, 500
times a second, without stopping them. Its share of a second, over the frames of that second, is the figure. It holds
for one machine: the same run on a slower processor holds the lock longer.
"""

from __future__ import annotations

import argparse
import collections
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from visage.assembly import build_run
from visage.bench.card.load import CountingSinks, specs_of
from visage.bench.clip import Clip, ClipRecipe, excerpt, make_clip
from visage.config import Settings
from visage.samples import SampleMedia

RATE = 500
TIMES = 40  # the clip of ten seconds, in a row: no source may end while it is measured
WARM_SECONDS = 90.0
SETTLE_SECONDS = 2.0  # CUDA graphs are recorded in the first

THREADS = {  # by what stands in a sample's stack
    "decode": "runtime/source.py",
    "sink": "runtime/sinks.py",
    "embed": "embed/stage.py",
    "track": "track/stage.py",
    "detect": "detect/stage.py",
    "send": "fleet/worker.py",
    "receive": "fleet/process.py",
    "hand-over": "runtime/worker.py",
}


def long_clip(encoder: str, home: Path, long: Path) -> Path:
    """The clip of `visage bench`, made once, repeated."""
    recipe = ClipRecipe(encoder=encoder)
    short = home / "bench" / recipe.file_name
    if not short.exists():
        make_clip(short, recipe, SampleMedia(home / "samples").path)
    excerpt(short, long, frames=Clip.of(short).frames, times=TIMES)
    return long


def samples_of(process_id: int, seconds: int) -> list[tuple[str, int]]:
    """(stack, how often it held the lock)."""
    with tempfile.NamedTemporaryFile(suffix=".txt") as raw:
        options = ["--gil", "--nonblocking", "--format", "raw", "--rate", str(RATE), "--duration", str(seconds)]
        command = ["py-spy", "record", *options, "--output", raw.name, "--pid", str(process_id)]
        subprocess.run(command, check=True, capture_output=True)
        lines = Path(raw.name).read_text().splitlines()
    return [(stack, int(count)) for stack, count in (line.rsplit(" ", 1) for line in lines)]


def report(name: str, samples: list[tuple[str, int]], seconds: int, fps: float, *, with_lines: bool) -> None:
    """Print microseconds a frame: in all, by thread and, if asked, by line."""
    microseconds = 1e6 / (RATE * seconds * fps)
    threads: collections.Counter[str] = collections.Counter()
    lines: collections.Counter[str] = collections.Counter()
    for stack, count in samples:
        threads[next((thread for thread, part in THREADS.items() if part in stack), "other")] += count
        lines[stack.rpartition(";")[2]] += count
    held = sum(threads.values())
    print(f"{name}: held {held / (RATE * seconds):.0%} of the time, {held * microseconds:.0f} us a frame")
    print("   " + ", ".join(f"{thread} {count * microseconds:.0f}" for thread, count in threads.most_common()))
    for line, count in lines.most_common(25) if with_lines else ():
        print(f"   {count * microseconds:5.1f} {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--codec", choices=("h264", "hevc"), default="h264")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--track", action="store_true")
    parser.add_argument("--workers", type=int, help="processes; by default as many as a run takes")
    parser.add_argument("--lines", action="store_true", help="say which lines hold it longest")
    chosen = parser.parse_args()
    seconds: int = chosen.seconds
    settings = Settings(
        device=chosen.device, concurrent_files=chosen.videos, track=chosen.track, workers=chosen.workers
    )
    sinks = CountingSinks(chosen.videos)
    with tempfile.TemporaryDirectory() as scratch:
        encoder = {"h264": "libx264", "hevc": "libx265"}[chosen.codec]
        clip = long_clip(encoder, settings.model_dir.parent, Path(scratch) / "long.mkv")
        run = build_run(settings, specs_of(clip, chosen.videos), open_sinks=sinks.open_here, wants_frames=True)
        with run:
            run.start()
            if not all(counter.is_warm.wait(WARM_SECONDS) for counter in sinks.counters):
                sys.exit("not warm yet: are the engines built? visage models build yunet sface")
            time.sleep(SETTLE_SECONDS)
            frames, began = sum(counter.frames for counter in sinks.counters), time.monotonic()
            workers = list(getattr(run, "process_ids", []))
            sampled = {
                name: samples_of(number, seconds)
                for name, number in [*[("a worker", number) for number in workers[:1]], ("this process", os.getpid())]
            }
            fps = (sum(counter.frames for counter in sinks.counters) - frames) / (time.monotonic() - began)
            if run.outcomes:
                sys.exit("a video ended while it was measured: take more of them, or fewer seconds")
            batches = {stage.name: stage.items / max(1, stage.batches) for stage in run.statistics().stages}
    print(
        f"{chosen.videos} {chosen.codec} videos, {max(1, len(workers))} processes: {fps:.0f} fps, frames a batch:",
        ", ".join(f"{name} {size:.1f}" for name, size in batches.items()),
    )
    for name, samples in sampled.items():
        share = fps / len(workers) if name == "a worker" else fps
        report(name, samples, seconds, share, with_lines=chosen.lines)


if __name__ == "__main__":
    main()
