"""Which node takes which camera: by frames a second, what each node was measured to manage and each camera sends.

A count of cameras says little: one in 4K at 50 frames a second costs twenty small ones. A camera goes where most is
left after it. What stands stays where it is unless a node is lost or has much less to do than another, because each
move costs a camera some seconds. Where there is not room for all, all nodes get too much alike, and frames are
dropped: a camera that no one reads shows nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["UNEVEN", "NodeLoad", "balance", "loads", "place"]

UNEVEN = 0.2
"""Difference of two nodes' loads, as parts of what they can do, from which on a camera is moved."""


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """A node: frames a second that it manages, and those that its cameras send."""

    capacity_fps: float
    demand_fps: float

    @property
    def ratio(self) -> float:
        """The part of the node that is taken, 0 to 1; above that, frames are dropped."""
        return self.demand_fps / self.capacity_fps


def loads(
    demands: Mapping[str, float], capacities: Mapping[str, float], placed: Mapping[str, str]
) -> dict[str, NodeLoad]:
    """Return the load of every node, in frames per second, for cameras with these demands that are placed so."""
    sums = dict.fromkeys(capacities, 0.0)
    for camera, node in placed.items():
        if node in sums:
            sums[node] += demands[camera]
    return {node: NodeLoad(capacity, sums[node]) for node, capacity in capacities.items()}


def place(demands: Mapping[str, float], capacities: Mapping[str, float], placed: Mapping[str, str]) -> dict[str, str]:
    """Where the cameras go that are nowhere, or on a node that is not there: the largest first.

    Args:
        demands: frames a second of each camera.
        capacities: frames a second that each node manages, more than 0.
        placed: the node of each camera that has one.

    Returns:
        The node of each camera that changes; nothing where there is no node.
    """
    if not capacities:
        return {}
    kept = {camera: node for camera, node in placed.items() if node in capacities and camera in demands}
    sums = {node: load.demand_fps for node, load in loads(demands, capacities, kept).items()}
    chosen: dict[str, str] = {}
    for camera in sorted(demands.keys() - kept.keys(), key=lambda name: (-demands[name], name)):
        demand = demands[camera]
        node = max(capacities, key=lambda name: _preference(capacities[name], sums[name] + demand))
        sums[node] += demand
        chosen[camera] = node
    return chosen


def balance(
    demands: Mapping[str, float], capacities: Mapping[str, float], placed: Mapping[str, str], *, most_moves: int
) -> dict[str, str]:
    """Cameras to be moved from nodes with much to do to those with little; the node that each goes to.

    Every camera has to be placed. Each move makes the fuller of the two nodes less full than it was, and no camera
    moves twice.
    """
    current = dict(placed)
    sums = {node: load.demand_fps for node, load in loads(demands, capacities, current).items()}
    moved: dict[str, str] = {}
    while len(moved) < most_moves and len(capacities) > 1:
        ratio = {node: sums[node] / capacities[node] for node in capacities}
        full, empty = max(ratio, key=lambda node: ratio[node]), min(ratio, key=lambda node: ratio[node])
        if ratio[full] - ratio[empty] <= UNEVEN:
            break
        candidates = [
            camera
            for camera, node in current.items()
            if node == full and camera not in moved
            if (sums[empty] + demands[camera]) / capacities[empty] < ratio[full]
        ]
        if not candidates:
            break
        # The one after which the two are most alike.
        camera = min(
            candidates,
            key=lambda name: (
                max((sums[full] - demands[name]) / capacities[full], (sums[empty] + demands[name]) / capacities[empty]),
                name,
            ),
        )
        current[camera] = moved[camera] = empty
        sums[full] -= demands[camera]
        sums[empty] += demands[camera]
    return moved


def _preference(capacity: float, demand: float) -> tuple[bool, float]:
    """Of a node that would have this demand: what is left where that is anything, otherwise how little is too much."""
    left = capacity - demand
    return (True, left) if left >= 0 else (False, -demand / capacity)
