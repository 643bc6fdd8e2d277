"""The coordinator: room, suspects, its own pauses, and nodes that leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from visage.cluster.coordinator import Coordinator
from visage.cluster.lease import JobState, NewJob
from visage.cluster.ledger import LeaseLedger


class Bench:
    """A coordinator and its ledger, on a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.seconds = 1000.0
        self.ledger = LeaseLedger(folder / "ledger.sqlite", lease_seconds=10, clock=lambda: self.seconds)
        self.coordinator = Coordinator(self.ledger, clock=lambda: self.seconds)

    def wait(self, seconds: float) -> None:
        """Time passes in steps, as between ticks."""
        for _ in range(int(seconds)):
            self.seconds += 1
            self.coordinator.tick()

    def state(self, job_id: str) -> JobState:
        job = self.ledger.job(job_id)
        assert job is not None
        return job.state


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.ledger.close()


def test_a_worker_gets_as_much_as_it_has_room_for(bench: Bench) -> None:
    bench.ledger.add(NewJob(f"f{number}") for number in range(3))
    bench.coordinator.join("w", "n", capacity=2)
    leases = [bench.coordinator.claim("w") for _ in range(3)]
    assert [lease is not None for lease in leases] == [True, True, False]
    assert leases[0] is not None
    bench.ledger.complete(leases[0].token)
    bench.coordinator.ended("w", leases[0].token)
    assert bench.coordinator.claim("w") is not None


def test_a_suspect_is_alone_on_its_worker(bench: Bench) -> None:
    bench.ledger.add([NewJob("poison")])
    bench.coordinator.join("w1", "n", capacity=2)
    assert bench.coordinator.claim("w1") is not None
    bench.coordinator.lose("w1", "w1 on n died", is_death=True)
    bench.wait(5)
    bench.ledger.add([NewJob("film")])
    bench.coordinator.join("w2", "n", capacity=2)
    bench.coordinator.join("w3", "n", capacity=2)
    first, second = bench.coordinator.claim("w2"), bench.coordinator.claim("w3")
    assert first is not None
    assert second is not None
    assert (first.job_id, second.job_id) == ("film", "poison")
    bench.ledger.add([NewJob("later")])
    assert bench.coordinator.claim("w3") is None, "it does a suspect"
    later = bench.coordinator.claim("w2")
    assert later is not None
    assert later.job_id == "later"


def test_a_silent_worker_loses_its_lease_and_hears_so_when_it_wakes(bench: Bench) -> None:
    bench.ledger.add([NewJob("film")])
    bench.coordinator.join("w", "n", capacity=1)
    lease = bench.coordinator.claim("w")
    assert lease is not None
    bench.wait(9)
    assert bench.coordinator.pulse("w", [lease.token]) == set()
    bench.wait(11)
    assert bench.state("film") is JobState.WAITING
    assert bench.coordinator.pulse("w", [lease.token]) == {lease.token}
    bench.wait(5)
    again = bench.coordinator.claim("w")
    assert again is not None
    assert again.token > lease.token


def test_what_the_coordinator_itself_slept_is_held_against_no_one(bench: Bench) -> None:
    bench.ledger.add([NewJob("film")])
    bench.coordinator.join("w", "n", capacity=1)
    lease = bench.coordinator.claim("w")
    assert lease is not None
    bench.coordinator.tick()
    bench.seconds += 3600  # frozen, or suspended with its machine
    assert bench.coordinator.tick() == []
    assert bench.coordinator.pulse("w", [lease.token]) == set()


def test_a_worker_goes_on_under_the_next_coordinator(bench: Bench) -> None:
    bench.ledger.add([NewJob("film"), NewJob("other")])
    bench.coordinator.join("w", "n", capacity=1)
    lease = bench.coordinator.claim("w")
    assert lease is not None
    after = Coordinator(bench.ledger, clock=lambda: bench.seconds)
    assert after.join("w", "n", capacity=1, holds=[lease.token, 77]) == {77}
    assert after.claim("w") is None, "it has something to do"
    assert bench.ledger.complete(lease.token)


def test_a_node_drains_or_is_taken_away(bench: Bench) -> None:
    bench.ledger.add([NewJob("a"), NewJob("b"), NewJob("c")])
    for worker, node in (("w1", "n1"), ("w2", "n2")):
        bench.coordinator.join(worker, node, capacity=1)
        assert bench.coordinator.claim(worker) is not None
    bench.coordinator.drain("n1")
    held = bench.ledger.tokens_of("n1")
    assert bench.coordinator.pulse("w1", held) == set(), "it finishes what it has"
    assert bench.coordinator.take_away("n2") == ["w2"]
    assert bench.state("b") is JobState.WAITING
    assert set(bench.coordinator.nodes()) == {"n1", "n2"}
    assert all(node.is_held for node in bench.coordinator.nodes().values())
    bench.ledger.complete(held.pop())
    bench.coordinator.pulse("w1", [])
    assert bench.coordinator.claim("w1") is None
    bench.coordinator.give_back("n1")
    assert bench.coordinator.claim("w1") is not None


def test_a_job_that_every_node_refuses_is_known_with_the_reasons(bench: Bench) -> None:
    bench.ledger.add([NewJob("film")])
    for worker, node in (("w1", "n1"), ("w2", "n2")):
        bench.coordinator.join(worker, node, capacity=1)
    for worker in ("w1", "w2"):
        assert bench.coordinator.refused_everywhere() == {}
        lease = bench.coordinator.claim(worker)
        assert lease is not None
        bench.ledger.refuse(lease.token, f"{lease.node} has no root archive")
        bench.coordinator.ended(worker, lease.token)
    assert bench.coordinator.refused_everywhere() == {
        "film": {"n1": "n1 has no root archive", "n2": "n2 has no root archive"}
    }
