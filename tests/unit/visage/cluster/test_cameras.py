"""Cameras of a cluster: lost nodes, old generations, a new coordinator, nodes with more or less to give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from visage.cluster.cameras import BALANCE_SECONDS, CameraCoordinator


class Bench:
    """Cameras on a clock that the test moves; nodes beat unless they are silent."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cameras.sqlite"
        self.seconds = 1000.0
        self.nodes: dict[str, float] = {}
        self.cameras = self.opened()

    def opened(self) -> CameraCoordinator:
        return CameraCoordinator(self.path, clock=lambda: self.seconds)

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.seconds += 1
            for node, capacity in self.nodes.items():
                self.cameras.beat(node, capacity)
            self.cameras.tick()

    def placed(self) -> dict[str, str | None]:
        return {one.camera: one.node for one in self.cameras.assignments()}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.cameras.close()


def test_cameras_go_where_most_is_left(bench: Bench) -> None:
    bench.nodes = {"large": 300.0, "small": 100.0}
    bench.cameras.want({"4k": 200.0, "a": 25.0, "b": 25.0, "c": 25.0})
    bench.run(1)
    assert bench.placed() == {"4k": "large", "a": "large", "b": "small", "c": "large"}


def test_a_lost_node_s_cameras_are_elsewhere_within_ten_seconds(bench: Bench) -> None:
    bench.nodes = {"n1": 100.0, "n2": 100.0}
    bench.cameras.want({f"c{number}": 10.0 for number in range(10)})
    bench.run(1)
    before = {one.camera: one for one in bench.cameras.assignments("n1")}
    assert len(before) == 5
    del bench.nodes["n1"]
    bench.run(9)
    assert set(bench.placed().values()) == {"n2"}
    for camera, old in before.items():
        assert not bench.cameras.accepts(camera, "n1", old.generation), "it woke, and may publish nothing"
    for one in bench.cameras.assignments():
        assert bench.cameras.accepts(one.camera, "n2", one.generation)


def test_a_new_coordinator_leaves_cameras_with_nodes_that_still_beat(bench: Bench) -> None:
    bench.nodes = {"n1": 100.0, "n2": 100.0}
    bench.cameras.want({"a": 10.0, "b": 10.0})
    bench.run(1)
    before = bench.cameras.assignments()
    bench.cameras.close()
    bench.cameras = bench.opened()
    bench.cameras.beat("n1", 100.0)  # the other is a moment later
    assert bench.cameras.tick() == []
    bench.run(8)
    assert bench.cameras.assignments() == before
    del bench.nodes["n2"]
    bench.run(9)
    assert [one.generation for one in bench.cameras.assignments()] != [one.generation for one in before]


def test_a_node_that_joins_is_given_cameras_of_full_ones(bench: Bench) -> None:
    bench.nodes = {"n1": 100.0}
    bench.cameras.want({f"c{number}": 20.0 for number in range(5)})
    bench.run(1)
    bench.nodes["n2"] = 100.0
    bench.run(BALANCE_SECONDS + 1)
    assert sorted(bench.placed().values(), key=str) == ["n1", "n1", "n1", "n2", "n2"]


def test_too_many_cameras_are_spread_alike(bench: Bench) -> None:
    bench.nodes = {"n1": 100.0, "n2": 50.0}
    bench.cameras.want({f"c{number:02d}": 10.0 for number in range(30)})
    bench.run(1)
    ratios = [load.ratio for load in bench.cameras.loads().values()]
    assert ratios == pytest.approx([2.0, 2.0], abs=0.21)


def test_a_camera_that_is_not_wanted_any_more_is_nobody_s(bench: Bench) -> None:
    bench.nodes = {"n1": 100.0}
    bench.cameras.want({"a": 10.0})
    bench.run(1)
    (old,) = bench.cameras.assignments()
    (gone,) = bench.cameras.want({})
    assert (gone.node, gone.generation) == (None, old.generation + 1)
    assert not bench.cameras.accepts("a", "n1", old.generation)
    bench.cameras.want({"a": 10.0})
    bench.run(1)
    (again,) = bench.cameras.assignments()
    assert again.generation > gone.generation
