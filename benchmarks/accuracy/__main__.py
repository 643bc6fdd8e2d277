"""What a user gets, in numbers: python -m benchmarks.accuracy [PART ...] [--json FILE] [--compare FILE]

Parts, with their processor time (a quarter of it in the networks' start):

    naming    people in 25 hard conditions, and every 15 degrees and mirrored; strangers      5 minutes
    quick     the hard conditions alone, with one portrait in four                            1 minute
    films     faces found in films of real footage made small, blurred, dark and compressed    1 minute
    unknowns  people without a name over several films: clusters, and tracks visible together  3 minutes
    swaps     somebody takes another's place, or walks past                                    2 minutes
    turned    films that lie on their side or upside down                                      2 minutes
    cost      processor time of a film                                                         1 minute
    embedders every embedder of the catalogue that can be had: accuracy, thresholds, speed     2 minutes
    detectors every detector of the catalogue that can be had                                  3 minutes

Media come from the package registries, checked by SHA-256; every picture is made from fixed seeds. It is measured
through `visage.analyze`, galleries and `visage eval video`'s code. `--compare` takes a file that `--json` wrote
before a change.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.accuracy.footage_parts import (
    measure_cost,
    measure_films,
    measure_swaps,
    measure_turned,
    measure_unknowns,
)
from benchmarks.accuracy.media import cache_folder, read_portraits
from benchmarks.accuracy.networks import measure_detectors, measure_embedders
from benchmarks.accuracy.stills import measure_naming
from benchmarks.accuracy.tables import print_tables
from visage import Settings

Part = Callable[[Settings, Path], Mapping[str, object]]

PARTS: Mapping[str, Part] = {
    "naming": lambda settings, scratch: measure_naming(read_portraits(), settings, scratch),
    "quick": lambda settings, scratch: measure_naming(read_portraits(), settings, scratch, every=4),
    "films": measure_films,
    "unknowns": measure_unknowns,
    "swaps": measure_swaps,
    "turned": measure_turned,
    "cost": measure_cost,
    "embedders": measure_embedders,
    "detectors": measure_detectors,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings, such as detector_size=1280"
    )
    parser.add_argument("--json", type=Path, help="keep the numbers in this file; parts that were not run stay in it")
    parser.add_argument("--compare", type=Path, help="numbers of before, as --json wrote them")
    chosen = parser.parse_args()
    if unknown := [part for part in chosen.part if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; the parts are {', '.join(PARTS)}")
    common = {"model_dir": cache_folder() / "models", "device": "cpu"}
    settings = Settings(**{**common, **_settings(chosen.set)})
    before = json.loads(chosen.compare.read_text()) if chosen.compare else None
    numbers = json.loads(chosen.json.read_text()) if chosen.json and chosen.json.is_file() else {}
    for name in chosen.part or [part for part in PARTS if part != "quick"]:
        started = time.process_time()
        with tempfile.TemporaryDirectory(prefix="visage-accuracy-") as scratch:
            numbers[name] = PARTS[name](settings, Path(scratch))
        numbers[name]["minutes of processor"] = round((time.process_time() - started) / 60, 2)
        print_tables({name: numbers[name]}, before)
        if chosen.json:
            chosen.json.write_text(json.dumps(numbers, indent=1) + "\n")


def _settings(pairs: list[str]) -> dict[str, object]:
    """NAME=VALUE; a number is one."""
    split = (pair.partition("=") for pair in pairs)
    return {name: json.loads(value) if value[:1].isdigit() else value for name, _, value in split}


if __name__ == "__main__":
    main()
