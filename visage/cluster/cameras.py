"""The cameras of a cluster: which node reads each, under which generation, and whose events count.

    node beats ──> heard ──silence──> lost ──> its cameras are placed elsewhere, each under its next generation

A camera's generation rises with every change of its node, before anyone hears of the change, also across a restart of
the coordinator. What a node publishes names the generation that it was given; an older one is refused. So two nodes
never both publish a camera, though both may read it for a while.

SQLite on the coordinator's local disk. Used by one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from visage.cluster.ledger import steady_clock
from visage.cluster.placement import NodeLoad, balance, loads, place
from visage.storage.transaction import opened, transaction

__all__ = ["LOST_SECONDS", "Assignment", "CameraCoordinator"]

LOST_SECONDS = 5.0
"""Without a beat, after which a node's cameras go to others."""

BALANCE_SECONDS = 30.0
"""Between two times at which cameras are moved from full nodes to others."""

MOVES_AT_ONCE = 4

MAX_DEAF_SECONDS = 2.0
"""Between two ticks; what is beyond was the coordinator's own pause, and no node's silence."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS cameras (
    camera TEXT PRIMARY KEY, demand_fps REAL NOT NULL, node TEXT, generation INTEGER NOT NULL DEFAULT 0,
    is_wanted INTEGER NOT NULL DEFAULT 1
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A camera's node from now on. `node` is None where no node is there, or the camera is not wanted any more."""

    camera: str
    node: str | None
    generation: int


class CameraCoordinator:
    """Owns the database file."""

    def __init__(self, path: Path, *, clock: Callable[[], float] | None = None) -> None:
        """Open the file or make it: whoever read a camera goes on, once its node beats. Raises sqlite3.Error."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock or steady_clock()
        self._database = opened(path, SCHEMA)
        self._nodes: dict[str, _Node] = {}
        rows = self._database.execute("SELECT camera, demand_fps, node, generation FROM cameras WHERE is_wanted")
        self._demands: dict[str, float] = {}
        self._placed: dict[str, str] = {}
        self._generations: dict[str, int] = {}
        for camera, demand, node, generation in rows:
            self._demands[camera], self._generations[camera] = demand, generation
            if node is not None:
                self._placed[camera] = node
        self._began_at = self._ticked_at = self._clock()
        self._balanced_at = self._began_at

    def __repr__(self) -> str:
        return f"<CameraCoordinator {len(self._demands)} cameras on {len(self._nodes)} nodes>"

    def want(self, demands: Mapping[str, float]) -> list[Assignment]:
        """Set the cameras, with the frames a second of each; returns what changes for those that are gone."""
        gone = self._demands.keys() - demands.keys()
        with transaction(self._database) as database:
            for camera, demand in demands.items():
                if self._demands.get(camera) != demand:
                    database.execute(
                        "INSERT INTO cameras (camera, demand_fps) VALUES (?, ?) ON CONFLICT (camera) DO UPDATE SET"
                        " demand_fps = excluded.demand_fps, is_wanted = 1",
                        (camera, demand),
                    )
            for camera in gone:
                database.execute("UPDATE cameras SET is_wanted = 0 WHERE camera = ?", (camera,))
            known = dict(database.execute("SELECT camera, generation FROM cameras").fetchall())
        changes = self._assign(dict.fromkeys(sorted(gone)))
        self._demands = dict(demands)
        self._generations = {camera: known[camera] for camera in demands}
        return changes

    def beat(self, node: str, capacity_fps: float) -> None:
        """A node lives, and manages so many frames a second, as it was measured."""
        known = self._nodes.setdefault(node, _Node())
        known.capacity_fps = max(1.0, capacity_fps)
        known.heard_at = self._clock()

    def lose(self, node: str) -> None:
        """A node is known to be gone; its cameras move with the next tick."""
        self._nodes.pop(node, None)

    def tick(self) -> list[Assignment]:
        """Note lost nodes, place what is nowhere, and move what makes nodes more alike; returns the changes."""
        now = self._clock()
        deaf = max(0.0, now - self._ticked_at - MAX_DEAF_SECONDS)
        self._ticked_at = now
        for name, node in list(self._nodes.items()):
            node.heard_at += deaf
            if now - node.heard_at >= LOST_SECONDS:
                del self._nodes[name]
        capacities = {name: node.capacity_fps for name, node in self._nodes.items()}
        # Nodes that an earlier coordinator knew may yet beat.
        is_early = now - self._began_at < LOST_SECONDS
        waits = {camera for camera, node in self._placed.items() if is_early and node not in capacities}
        movable = {camera: demand for camera, demand in self._demands.items() if camera not in waits}
        changes = self._assign(place(movable, capacities, self._placed))
        if (
            now - self._balanced_at >= BALANCE_SECONDS
            and self._demands
            and set(self._placed.values()) <= set(capacities)
        ):
            self._balanced_at = now
            changes += self._assign(balance(self._demands, capacities, self._placed, most_moves=MOVES_AT_ONCE))
        return changes

    def accepts(self, camera: str, node: str, generation: int) -> bool:
        """Return whether what a node publishes of a camera counts: False for one with an older generation."""
        return self._placed.get(camera) == node and self._generations.get(camera) == generation

    def assignments(self, node: str | None = None) -> list[Assignment]:
        """Every placed camera, or a node's: what a node is told that has just joined, or joined again."""
        return [
            Assignment(camera, where, self._generations[camera])
            for camera, where in sorted(self._placed.items())
            if node is None or where == node
        ]

    def loads(self) -> dict[str, NodeLoad]:
        """Return the load of each node: the frames a second that it manages, and those of its cameras."""
        return loads(self._demands, {name: node.capacity_fps for name, node in self._nodes.items()}, self._placed)

    def close(self) -> None:
        """Close the database. Idempotent; assignments stay on disk."""
        self._database.close()

    def _assign(self, chosen: Mapping[str, str] | Mapping[str, None]) -> list[Assignment]:
        """On disk first: nobody may hear of a generation that could be given twice."""
        if not chosen:
            return []
        changes = []
        with transaction(self._database) as database:
            for camera, node in chosen.items():
                changes.append(Assignment(camera, node, self._next(database, camera, node)))
        for change in changes:
            self._generations[change.camera] = change.generation
            if change.node is None:
                self._placed.pop(change.camera, None)
            else:
                self._placed[change.camera] = change.node
        return changes

    @staticmethod
    def _next(database: sqlite3.Connection, camera: str, node: str | None) -> int:
        (generation,) = database.execute(
            "UPDATE cameras SET generation = generation + 1, node = ? WHERE camera = ? RETURNING generation",
            (node, camera),
        ).fetchone()
        return int(generation)


@dataclass(slots=True)
class _Node:
    capacity_fps: float = 1.0
    heard_at: float = 0.0
