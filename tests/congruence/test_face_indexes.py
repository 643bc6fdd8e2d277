"""The same cases for every home of faces: memory, Qdrant Edge, and a server (a stand-in unless VISAGE_QDRANT_URL)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.frames import FloatArray
from tests.congruence.qdrant_stand_in import QdrantStandIn
from tests.runtime.latches import BOUND_SECONDS, Background
from visage.people.index.base import Condition, FaceIndex, IndexPoint
from visage.people.index.edge import EdgeIndex
from visage.people.index.errors import IndexInUse, IndexMismatch, IndexUnavailable
from visage.people.index.memory import MemoryIndex
from visage.people.index.server import ServerIndex

DIMENSION = 16
KEYS: dict[str, type] = {"person": int, "source": str, "at": float}


def unit(count: int, seed: int = 0) -> FloatArray:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def points(vectors: FloatArray) -> list[IndexPoint]:
    return [
        IndexPoint(row + 1, vector, {"person": row % 3, "source": f"cam-{row % 2}", "at": float(row)})
        for row, vector in enumerate(vectors)
    ]


@pytest.fixture(params=["memory", "edge", "server"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FaceIndex]:
    if request.param == "memory":
        yield MemoryIndex(DIMENSION)
        return
    if request.param == "edge":
        edge = EdgeIndex(tmp_path / "edge", DIMENSION, keys=KEYS)
        yield edge
        edge.close()
        return
    real = os.environ.get("VISAGE_QDRANT_URL")
    if real:
        server = ServerIndex(real, f"visage-test-{uuid.uuid4().hex}", DIMENSION, keys=KEYS)
        yield server
        server.close()
        return
    with QdrantStandIn() as stand_in:
        server = ServerIndex(stand_in.url, "faces", DIMENSION, keys=KEYS)
        yield server
        server.close()


def test_the_closest_come_first_with_their_cosine(index: FaceIndex) -> None:
    vectors, queries = unit(300), unit(5, seed=1)
    index.upsert(points(vectors))
    found = index.search(queries, limit=4)
    expected = queries @ vectors.T
    for row, hits in enumerate(found):
        order = np.argsort(-expected[row])[:4]
        assert [hit.point_id for hit in hits] == [int(place) + 1 for place in order]
        assert [hit.similarity for hit in hits] == pytest.approx(expected[row][order].tolist(), abs=1e-5)
    assert index.count() == 300


def test_conditions_hold_together(index: FaceIndex) -> None:
    vectors = unit(120)
    index.upsert(points(vectors))
    condition = Condition(among={"person": [0, 1], "source": ["cam-1"]}, ranges={"at": (10.0, 50.0)})
    (hits,) = index.search(vectors[:1], limit=200, condition=condition)
    expected = {row + 1 for row in range(10, 50) if row % 3 in (0, 1) and row % 2 == 1}
    assert {hit.point_id for hit in hits} == expected
    (open_ended,) = index.search(vectors[:1], limit=200, condition=Condition(ranges={"at": (100.0, None)}))
    assert {hit.point_id for hit in open_ended} == set(range(101, 121))


def test_a_point_is_replaced_and_deleted(index: FaceIndex) -> None:
    vectors = unit(10)
    index.upsert(points(vectors))
    index.upsert([IndexPoint(3, vectors[0], {"person": 99, "source": "x", "at": 0.0})])
    assert index.count() == 10
    (hits,) = index.search(vectors[:1], limit=2)
    assert {hit.point_id for hit in hits} == {1, 3}
    index.delete([1, 3, 777])
    assert index.count() == 8
    (hits,) = index.search(vectors[:1], limit=10)
    assert {hit.point_id for hit in hits}.isdisjoint({1, 3})


def test_nothing_is_found_in_nothing(index: FaceIndex) -> None:
    assert index.search(unit(2), limit=3) == [[], []]
    assert index.search(unit(2)[:0], limit=3) == []
    assert index.count() == 0


def test_vectors_of_another_length_are_refused(index: FaceIndex) -> None:
    with pytest.raises(IndexMismatch, match="16"):
        index.upsert([IndexPoint(1, np.ones(8, np.float32))])
    with pytest.raises(IndexMismatch, match="16"):
        index.search(np.ones((1, 8), np.float32), limit=1)


def test_edge_opens_again_with_all_it_had(tmp_path: Path) -> None:
    vectors = unit(50)
    first = EdgeIndex(tmp_path / "edge", DIMENSION, keys=KEYS)
    first.upsert(points(vectors))
    first.close()
    again = EdgeIndex(tmp_path / "edge", DIMENSION, keys=KEYS)
    (hits,) = again.search(vectors[7:8], limit=1)
    assert (again.count(), hits[0].point_id) == (50, 8)
    again.close()
    with pytest.raises(IndexMismatch, match="another embedding model"):
        EdgeIndex(tmp_path / "edge", 8, keys=KEYS)


def files_with(folder: Path, vector: FloatArray) -> list[str]:
    """Names of the files that hold a vector's numbers: as in memory, or as CBOR, which Edge's log is written in."""
    forms = [vector[3:6].tobytes(), b"".join(b"\xfa" + number.tobytes() for number in vector[3:6].astype(">f4"))]
    return [path.name for path in folder.rglob("*") if path.is_file() and any(f in path.read_bytes() for f in forms)]


def test_what_edge_deletes_is_in_none_of_its_files(tmp_path: Path) -> None:
    """Also not once it is closed and opened again; what was not there is not added."""
    vectors = unit(50)
    index = EdgeIndex(tmp_path / "edge", DIMENSION, keys=KEYS)
    index.upsert(points(vectors))
    index.upsert(points(vectors[:5]))
    assert files_with(tmp_path, vectors[2]) == ["chunk_0.mmap"]
    index.delete([3, 50, 777])
    for _ in range(2):
        assert index.count() == 48
        assert [files_with(tmp_path, vectors[row]) for row in (2, 49)] == [[], []]
        assert files_with(tmp_path, vectors[3])
        index.close()
        index = EdgeIndex(tmp_path / "edge", DIMENSION, keys=KEYS)
    index.close()


def test_a_folder_with_a_log_of_everything_is_emptied(tmp_path: Path) -> None:
    """As earlier versions left it, with what was deleted from it since; its owner fills it again."""
    edge = pytest.importorskip("qdrant_edge")
    vectors, folder = unit(50), tmp_path / "edge"
    folder.mkdir()
    config = edge.EdgeConfig(vectors=edge.EdgeVectorParams(size=DIMENSION, distance=edge.Distance.Dot))
    shard = edge.EdgeShard.create(str(folder), config)
    shard.update(
        edge.UpdateOperation.upsert_points([edge.Point(row + 1, one.tolist(), {}) for row, one in enumerate(vectors)])
    )
    shard.update(edge.UpdateOperation.delete_points([3]))
    shard.flush()
    shard.close()
    assert files_with(folder, vectors[2])
    index = EdgeIndex(folder, DIMENSION, keys=KEYS)
    assert (index.count(), files_with(folder, vectors[2])) == (0, [])
    index.upsert(points(vectors))
    index.close()
    again = EdgeIndex(folder, DIMENSION, keys=KEYS)
    assert again.count() == 50
    again.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    first = EdgeIndex(tmp_path / "edge", DIMENSION, keys=KEYS)
    first.upsert(points(unit(5)))
    script = (
        "import sys; from pathlib import Path; from visage.people.index.edge import EdgeIndex\n"
        "from visage.people.index.errors import IndexInUse\n"
        "try: EdgeIndex(Path(sys.argv[1]), 16, keys={})\n"
        "except IndexInUse as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "edge")], capture_output=True, text=True, timeout=60, check=True
    )
    assert "open in another process" in result.stdout
    with pytest.raises(IndexInUse):
        EdgeIndex(tmp_path / "edge", DIMENSION, keys=KEYS)
    first.upsert(points(unit(20)))  # nobody who was refused has touched its files
    first.close()
    again = EdgeIndex(tmp_path / "edge", DIMENSION, keys=KEYS)
    assert again.count() == 20
    again.close()


def test_a_server_that_is_briefly_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visage.people.index.server.FIRST_PAUSE_SECONDS", 0.001)
    with QdrantStandIn() as stand_in:
        index = ServerIndex(stand_in.url, "faces", DIMENSION, keys=KEYS)
        stand_in.failures = 2
        index.upsert(points(unit(3)))
        assert (index.count(), stand_in.failures) == (3, 0)
        assert stand_in.collections["faces"]["keys"] == {"person": "integer", "source": "keyword", "at": "float"}
        index.close()


class Racing(QdrantStandIn):
    """Says that there is no collection only when two have asked: both make one."""

    def __init__(self) -> None:
        super().__init__()
        self._both = threading.Barrier(2)

    def answer(self, method: str, path: list[str], body: dict[str, Any]) -> Any:
        result = super().answer(method, path, body)
        if result == {"exists": False}:
            self._both.wait(BOUND_SECONDS)
        return result


@pytest.mark.parametrize(("other", "mismatches"), [(DIMENSION, 0), (8, 1)])
def test_two_who_make_the_collection_at_once_share_it_if_it_fits(other: int, mismatches: int) -> None:
    """Both ask whether it is there; it is not; both make it; the second is told that it is."""
    refused = []
    with Racing() as stand_in:
        indexes = [ServerIndex(stand_in.url, "faces", length, keys=KEYS) for length in (DIMENSION, other)]
        counting = [Background(index.count) for index in indexes]
        for call in counting:
            try:
                assert call.result() == 0
            except IndexMismatch as mismatch:
                refused.append(mismatch)
        for index in indexes:
            index.close()
        assert stand_in.collections["faces"]["keys"] == {"person": "integer", "source": "keyword", "at": "float"}
    assert len(refused) == mismatches


def test_what_a_broken_start_left_out_of_the_collection_is_made() -> None:
    with QdrantStandIn() as stand_in:
        first = ServerIndex(stand_in.url, "faces", DIMENSION, keys={"person": int})
        assert first.count() == 0
        first.close()
        second = ServerIndex(stand_in.url, "faces", DIMENSION, keys=KEYS)
        assert second.count() == 0
        second.close()
        assert stand_in.collections["faces"]["keys"].keys() == KEYS.keys()


@pytest.mark.parametrize("api_key", [None, "wrong"])
def test_a_server_that_refuses_or_is_gone_is_named(api_key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visage.people.index.server.FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("warnings.warn", lambda *args, **kwargs: None)  # an API key over plain HTTP, on loopback
    with QdrantStandIn(api_key="right") as stand_in:
        index = ServerIndex(stand_in.url, "faces", DIMENSION, keys=KEYS, api_key=api_key)
        with pytest.raises(IndexUnavailable, match="403"):
            index.count()
        index.close()
        gone = ServerIndex(stand_in.url, "faces", DIMENSION, keys=KEYS, api_key="right")
    with pytest.raises(IndexUnavailable, match="does not answer"):
        gone.count()
    gone.close()


def test_edge_and_memory_agree_after_edge_has_made_its_graph(tmp_path: Path) -> None:
    vectors, queries = unit(3000), unit(200, seed=2)
    memory, edge = MemoryIndex(DIMENSION), EdgeIndex(tmp_path / "edge", DIMENSION, keys=KEYS)
    calls: list[Callable[[list[IndexPoint]], None]] = [memory.upsert, edge.upsert]
    for upsert in calls:
        upsert(points(vectors))
    edge.optimize()
    exact = [hits[0].point_id for hits in memory.search(queries, limit=1)]
    found = [hits[0].point_id for hits in edge.search(queries, limit=1)]
    assert np.mean(np.array(exact) == np.array(found)) >= 0.995
    edge.close()
