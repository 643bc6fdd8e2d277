"""Films over a Ray cluster whose workers, nodes, network and coordinator are killed, frozen and cut; what came out.

    python -m benchmarks.cluster_campaign FILM [--films 60] [--events 12] [--nodes 3] [--seed 1] [--no-cuts]

The film is analysed many times under different names, with a gallery, once by one process and once by the cluster; then
the tables, the sightings and what is left in the folders are compared. Nodes are Ray nodes of this machine, each in a
network of its own where root runs it. Needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.servers.namespaces import Namespaces, namespaces_are_allowed
from tests.servers.ray_campaign import EVENTS, Campaign
from tests.servers.ray_cluster import RayCluster
from visage.config import Settings
from visage.people import gallery_of

TABLES = ("detections.csv", "embeddings.hdf5", "tracks.csv", "tracks.parquet")
OPTIONS = ("--frameskip", "4")
FINISH_SECONDS = 1800.0


def main() -> int:
    """See the module; 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--events", type=int, default=12)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-cuts", action="store_true", help="also where namespaces are allowed")
    given = parser.parse_args()
    has_cuts = namespaces_are_allowed() and not given.no_cuts
    chance = random.Random(given.seed)
    kinds = [kind for kind in EVENTS if kind != "cut" or has_cuts]
    events = [kinds[number % len(kinds)] for number in range(given.events)]
    chance.shuffle(events)
    nodes = [f"n{number + 1}" for number in range(given.nodes)]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "films").mkdir()
        films = [folder / "films" / f"film-{number:04d}.mp4" for number in range(given.films)]
        for film in films:
            shutil.copy(given.film, film)  # links would be one film for the gallery
        alone = _run_alone(folder, films)
        namespaces = stack.enter_context(Namespaces(nodes)) if has_cuts else None
        cluster = stack.enter_context(RayCluster(nodes, namespaces=namespaces))
        campaign = Campaign(
            cluster,
            nodes,
            films,
            folder / "out",
            folder / "state",
            command=[*OPTIONS, "--gallery", str(folder / "gallery")],
            seed=given.seed,
            namespaces=namespaces,
        )
        began = time.monotonic()
        code = campaign.run(
            events, films_between=max(1, given.films // (2 * given.events)), timeout_seconds=FINISH_SECONDS
        )
        print(f"{given.films} films, {given.nodes} nodes, seed {given.seed}: exit code {code}")
        print(
            f"one process {alone:.0f} s, the cluster {time.monotonic() - began:.0f} s with {len(campaign.rows)} events"
        )
        print("event        node  after     complete then")
        for row in campaign.rows:
            print(f"{row.event:<12} {row.node:<4} {row.seconds:>6.0f} s  {row.complete:>4}")
        problems = _compare(folder, films)
        print("\n".join(problems) or "every film complete once, all tables and sightings as one process has them")
        log = (folder / "coordinator.log").read_text()
        print(f"begun again: {log.count('begun again')} lines of the log, {campaign.restarts} coordinators killed")
        return 1 if problems or code else 0


def _run_alone(folder: Path, films: list[Path]) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "visage", "run", *map(str, films), *OPTIONS, "--dst", str(folder / "alone"), "-q"]
    subprocess.run([*command, "--gallery", str(folder / "g-alone")], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def _compare(folder: Path, films: list[Path]) -> list[str]:
    problems = []
    for film in films:
        one, other = folder / "alone" / film.stem, folder / "out" / film.stem
        try:
            if not json.loads((other / "metadata.json").read_text())["complete"]:
                problems.append(f"{film.stem}: not complete")
            problems += [
                f"{film.stem}: {table} differs"
                for table in TABLES
                if (one / table).read_bytes() != (other / table).read_bytes()
            ]
        except OSError as error:
            problems.append(f"{film.stem}: {error}")
        left = {path.name for path in other.iterdir()} - {*TABLES, "metadata.json"} if other.is_dir() else set()
        problems += [f"{film.stem}: {name} is left" for name in sorted(left)]
    expected, found = _sightings(folder / "g-alone"), _sightings(folder / "gallery")
    if expected != found:
        problems.append(f"sightings differ: {len(expected)} of one process, {len(found)} of the cluster")
    return problems


def _sightings(gallery: Path) -> list[tuple[str, float, float]]:
    opened = gallery_of(Settings(gallery=gallery), create=False)
    try:
        return sorted((one.source, one.start_seconds, one.end_seconds) for one in opened.sightings(limit=100_000))
    finally:
        opened.close()


if __name__ == "__main__":
    sys.exit(main())
