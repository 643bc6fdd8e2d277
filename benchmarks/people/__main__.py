"""How fast people are recognised and sightings found: python -m benchmarks.people [--sightings N] [--million]

Vectors are random directions of norm 1, 128-D, as SFace's; queries are other looks at stored ones (cosine 0.7).
Times are medians. Edge is asked before and after `optimize`, which is timed too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stages.frames import FloatArray
from stages.identify.edge import EdgeIndex
from stages.identify.index import IndexPoint
from stages.identify.roster import Person, Roster

DIMENSION = 128
FACES = 32
KEYS: dict[str, type] = {"person": int, "source": str, "at": float}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sightings", type=int, default=200_000)
    parser.add_argument("--million", action="store_true", help="also a million enrolled vectors (1 GB)")
    chosen = parser.parse_args()
    for count in (1_000, 10_000, 100_000, *([1_000_000] if chosen.million else [])):
        measure_roster(count)
    measure_edge(chosen.sightings)


def measure_roster(count: int) -> None:
    vectors = unit(count)
    roster = Roster([Person(f"p{n}", str(n)) for n in range(count)], vectors, np.arange(count))
    queries = looks(vectors, FACES)
    print(f"roster {count:>9,}: {milliseconds(lambda: roster.closest(queries)):8.2f} ms for {FACES} faces")


def measure_edge(count: int) -> None:
    vectors = unit(count)
    with tempfile.TemporaryDirectory() as folder:
        index = EdgeIndex(Path(folder) / "edge", DIMENSION, keys=KEYS)
        started = time.perf_counter()
        for start in range(0, count, 2000):
            rows = range(start, min(start + 2000, count))
            index.upsert([IndexPoint(r + 1, vectors[r], {"person": 0, "source": "a", "at": float(r)}) for r in rows])
        print(f"edge {count:,}: written at {count / (time.perf_counter() - started):,.0f}/s")
        queries = looks(vectors, 200)
        for state in ("before", "after"):
            single = milliseconds(lambda: index.search(queries[:1], limit=20), repeats=30)
            found = np.array([hits[0].point_id - 1 for hits in index.search(queries, limit=1)])
            exact = (queries @ vectors.T).argmax(axis=1)
            print(
                f"edge {state} optimize: {single:.2f} ms a search; top match as exact in {np.mean(found == exact):.1%}"
            )
            if state == "before":
                started = time.perf_counter()
                index.optimize()
                print(f"edge optimize: {time.perf_counter() - started:.1f} s")
        index.close()


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
