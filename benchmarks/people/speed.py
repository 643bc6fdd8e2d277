"""How fast people are recognised and sightings found: python -m benchmarks.people.speed [--sightings N] [--million]

Vectors are random directions of norm 1, 128-D, as SFace's; queries are other looks at stored ones (cosine 0.7).
Times are medians. Edge is asked exactly, as Visage does, and by its graph, which is made and timed for it: minutes for
hundreds of thousands, so that `--no-graph` leaves it out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.identify.roster import Person, Roster
from visage.people.index.base import IndexPoint
from visage.people.index.edge import EdgeIndex

DIMENSION = 128
FACES = 32
PROBES = 200
KEYS: dict[str, type] = {"person": int, "source": str, "at": float}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sightings", type=int, nargs="*", default=[200_000])
    parser.add_argument("--no-graph", action="store_true")
    parser.add_argument("--million", action="store_true", help="also a million enrolled vectors (1 GB)")
    chosen = parser.parse_args()
    for count in (1_000, 10_000, 100_000, *([1_000_000] if chosen.million else [])):
        measure_roster(count)
    for count in chosen.sightings:
        measure_edge(count, graph=not chosen.no_graph)


def measure_roster(count: int) -> None:
    vectors = unit(count)
    roster = Roster([Person(f"p{n}", str(n)) for n in range(count)], vectors, np.arange(count))
    queries = looks(vectors, FACES)
    print(f"roster {count:>9,}: {milliseconds(lambda: roster.closest(queries)):8.2f} ms for {FACES} faces", flush=True)


def measure_edge(count: int, *, graph: bool) -> None:
    vectors = unit(count)
    queries = looks(vectors, PROBES)
    closest = (queries @ vectors.T).argmax(axis=1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "edge"
        index = EdgeIndex(folder, DIMENSION, keys=KEYS)
        started = time.perf_counter()
        for start in range(0, count, 2000):
            rows = range(start, min(start + 2000, count))
            index.upsert([IndexPoint(r + 1, vectors[r], {"person": 0, "source": "a", "at": float(r)}) for r in rows])
        print(f"edge {count:,}: written at {count / (time.perf_counter() - started):,.0f}/s")
        index.close()
        size = sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))
        started = time.perf_counter()
        index = EdgeIndex(folder, DIMENSION, keys=KEYS)
        print(f"edge {count:,}: {size / 1e6:,.0f} MB, opened in {time.perf_counter() - started:.2f} s")
        tell(f"edge {count:,}, exact", index, queries, closest, exact=True)
        if graph:
            started = time.perf_counter()
            index.optimize()
            print(f"edge {count:,}: graph made in {time.perf_counter() - started:.1f} s")
            tell(f"edge {count:,}, by the graph", index, queries, closest, exact=False)
        index.close()


def tell(about: str, index: EdgeIndex, queries: FloatArray, closest: NDArray[np.intp], *, exact: bool) -> None:
    single = milliseconds(lambda: index.search(queries[:1], limit=20, exact=exact), repeats=30)
    batch = milliseconds(lambda: index.search(queries[:FACES], limit=20, exact=exact), repeats=5)
    found = np.array([hits[0].point_id - 1 for hits in index.search(queries, limit=1, exact=exact)])
    print(
        f"{about}: {single:.2f} ms a face, {batch:.1f} ms for {FACES}; the closest found in "
        f"{np.mean(found == closest):.1%} of {PROBES}",
        flush=True,
    )


def unit(count: int) -> FloatArray:
    vectors = np.random.default_rng(0).standard_normal((count, DIMENSION), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def looks(vectors: FloatArray, count: int) -> FloatArray:
    """Other looks at some of them: cosine about 0.7."""
    random = np.random.default_rng(1)
    noise = random.standard_normal((count, DIMENSION)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    mixed = vectors[random.integers(0, len(vectors), count)] + noise
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)


def milliseconds(call: Callable[[], object], repeats: int = 15) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times))


if __name__ == "__main__":
    main()
