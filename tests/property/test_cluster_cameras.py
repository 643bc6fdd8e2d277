"""Cameras on nodes that come, fall silent and come back, under coordinators that are killed, in any order."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from visage.cluster.cameras import LOST_SECONDS, Assignment, CameraCoordinator
from visage.cluster.placement import balance, loads, place

NODES = ("n1", "n2", "n3")
CAMERAS = ("c1", "c2", "c3", "c4")

capacities = st.dictionaries(st.sampled_from(NODES), st.floats(10, 500), min_size=1)
demands = st.dictionaries(st.sampled_from(CAMERAS), st.floats(1, 100))


@given(demands, capacities, st.dictionaries(st.sampled_from(CAMERAS), st.sampled_from(NODES)))
def test_placing_moves_only_what_is_nowhere(
    demands: dict[str, float], capacities: dict[str, float], placed: dict[str, str]
) -> None:
    chosen = place(demands, capacities, placed)
    stays = {camera for camera, node in placed.items() if node in capacities}
    assert chosen.keys() == demands.keys() - stays
    after = {**{camera: placed[camera] for camera in stays & demands.keys()}, **chosen}
    found = loads(demands, capacities, after)
    for camera, node in chosen.items():
        if found[node].demand_fps > found[node].capacity_fps:
            rooms = [load.capacity_fps - load.demand_fps for name, load in found.items() if name != node]
            assert all(room < demands[camera] for room in rooms), "another node had room for it"


@given(demands, capacities, st.data())
def test_balancing_makes_the_fullest_node_no_fuller(
    demands: dict[str, float], capacities: dict[str, float], data: st.DataObject
) -> None:
    placed = {camera: data.draw(st.sampled_from(sorted(capacities))) for camera in demands}
    before = max(load.ratio for load in loads(demands, capacities, placed).values())
    moved = balance(demands, capacities, placed, most_moves=2)
    assert len(moved) <= 2
    after = loads(demands, capacities, {**placed, **moved})
    assert max(load.ratio for load in after.values()) <= before + 1e-9


class Cameras(RuleBasedStateMachine):
    """One clock, moved by the rules alone; nodes remember what they were told last, and believe it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1000.0
        self.folder = tempfile.TemporaryDirectory()
        self.wanted: dict[str, float] = {}
        self.heard: dict[str, float] = {}
        self.generations: dict[str, int] = {}
        self.told: dict[tuple[str, str], int] = {}
        self.restarted_at = self.seconds

    @initialize()
    def open(self) -> None:
        self.cameras = CameraCoordinator(Path(self.folder.name) / "cameras.sqlite", clock=lambda: self.seconds)
        self.restarted_at = self.seconds

    def follow(self, changes: list[Assignment]) -> None:
        for change in changes:
            assert change.generation > self.generations.get(change.camera, 0), "a generation was given twice"
            self.generations[change.camera] = change.generation
            if change.node is not None:
                self.told[change.camera, change.node] = change.generation

    @rule(demands=demands)
    def want(self, demands: dict[str, float]) -> None:
        self.follow(self.cameras.want(demands))
        self.wanted = demands

    @rule(node=st.sampled_from(NODES), capacity=st.floats(10, 500))
    def beat(self, node: str, capacity: float) -> None:
        self.cameras.beat(node, capacity)
        self.heard[node] = self.seconds

    @rule(seconds=st.floats(0.1, 2))
    def tick(self, seconds: float) -> None:
        self.seconds += seconds
        self.follow(self.cameras.tick())

    @rule(seconds=st.floats(60, 600))
    def the_coordinator_sleeps(self, seconds: float) -> None:
        """What it slept is no node's silence: none may lose its cameras for it."""
        self.follow(self.cameras.tick())
        before = self.cameras.assignments()
        self.seconds += seconds
        self.heard = {node: at + seconds - 2.0 for node, at in self.heard.items()}
        fresh = {node for node, at in self.heard.items() if self.seconds - at < LOST_SECONDS - 2.1}
        self.follow(self.cameras.tick())
        after = {one.camera: one.node for one in self.cameras.assignments()}
        moved = {one.camera for one in before if one.node in fresh and after.get(one.camera) != one.node}
        assert len(moved) <= 4, "only balancing moves them"

    @rule()
    def restart(self) -> None:
        self.cameras.close()
        self.open()
        self.heard.clear()

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        """Of all who ever read a camera, at most the last counts."""
        camera, node = data.draw(st.sampled_from(sorted(self.told)), label="reader")
        counts = self.cameras.accepts(camera, node, self.told[camera, node])
        is_last = self.told[camera, node] == self.generations[camera] and camera in self.wanted
        assert counts <= is_last

    @invariant()
    def a_camera_has_one_node_and_a_silent_one_has_none(self) -> None:
        placed = {one.camera: one for one in self.cameras.assignments()}
        assert placed.keys() <= self.wanted.keys()
        for camera in placed:
            accepted = [
                node for (name, node), number in self.told.items()
                if name == camera and self.cameras.accepts(camera, node, number)
            ]  # fmt: skip
            assert len(accepted) == 1

    def teardown(self) -> None:
        self.cameras.close()
        self.folder.cleanup()


TestCameras = Cameras.TestCase
TestCameras.settings = settings(max_examples=50, stateful_step_count=40)
