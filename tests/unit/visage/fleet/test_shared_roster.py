"""The people of a gallery on their way to a worker: the same people, in memory that is mapped and not copied."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import numpy as np
import pytest

from stages.frames import FloatArray
from stages.identify.roster import Person, Roster
from visage.fleet.shared_roster import RosterMessage, RosterSnapshot, SharedRoster


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Connection]]:
    """The owner's end and a worker's."""
    owner, worker = Pipe()
    with owner, worker:
        yield owner, worker


def unit_rows(count: int, dimension: int) -> FloatArray:
    rows = np.random.default_rng(count).normal(size=(count, dimension)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def share(roster: Roster, to: SharedRoster, ends: tuple[Connection, Connection]) -> None:
    snapshot = RosterSnapshot(roster)
    try:
        snapshot.send(ends[0])
    finally:
        snapshot.close()
    message = ends[1].recv()
    assert isinstance(message, RosterMessage)
    to.receive(message, ends[1])


@pytest.mark.parametrize("people", [1, 3, 50])
def test_a_worker_finds_the_same_people(ends: tuple[Connection, Connection], people: int) -> None:
    vectors = unit_rows(2 * people, 17)  # 68 bytes a row: no array ends where the next may begin
    roster = Roster([Person(f"p{n}", f"Name {n}") for n in range(people)], vectors, np.arange(2 * people) % people)
    there = SharedRoster(0.4, 0.05)
    share(roster, there, ends)
    queries = unit_rows(9, 17)
    own, others = roster.closest(queries), there.roster().closest(queries)
    np.testing.assert_array_equal(own.best, others.best)
    np.testing.assert_array_equal(own.similarity, others.similarity)
    np.testing.assert_array_equal(own.runner_up, others.runner_up)
    assert there.roster().people == roster.people


def test_a_later_snapshot_replaces_the_one_before_which_stays_usable(ends: tuple[Connection, Connection]) -> None:
    """A batch that is being compared keeps its people, though their owner has closed and replaced them."""
    there = SharedRoster(0.4, 0.05)
    vectors = unit_rows(2, 8)
    share(Roster([Person("p1", "Ada")], vectors[:1], np.zeros(1, np.intp)), there, ends)
    before = there.roster()
    share(Roster([Person("p2", "Bob")], vectors[1:], np.zeros(1, np.intp)), there, ends)
    assert [person.name for person in there.roster().people] == ["Bob"]
    assert float(before.closest(vectors[:1]).similarity[0]) == pytest.approx(1.0, abs=1e-6)


def test_a_gallery_without_people_is_shared_too(ends: tuple[Connection, Connection]) -> None:
    there = SharedRoster(0.4, 0.05)
    share(Roster.empty(8), there, ends)
    assert len(there.roster()) == 0
    assert there.roster().closest(unit_rows(2, 8)).best.tolist() == [-1, -1]
