"""The ledger of leases: what a late token changes, what is held against a job, and what survives a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from visage.cluster.lease import JobState, Lease, NewJob
from visage.cluster.ledger import MAX_LOSSES, LeaseLedger, steady_clock


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[LeaseLedger]:
    ledger = LeaseLedger(tmp_path / "ledger.sqlite", lease_seconds=10, clock=clock)
    yield ledger
    ledger.close()


def claimed(ledger: LeaseLedger, worker: str = "w", node: str = "n", *, is_busy: bool = False) -> Lease:
    lease = ledger.claim(worker, node, is_busy=is_busy)
    assert lease is not None
    return lease


def test_a_worker_that_wakes_after_its_lease_is_refused(ledger: LeaseLedger, clock: Clock) -> None:
    ledger.add([NewJob("film")])
    frozen = claimed(ledger, "w1", "n1")
    clock.seconds += 10
    (late,) = ledger.expire()
    assert (late.state, late.reason) == (JobState.WAITING, "nothing was heard of n1 for 10 s")
    clock.seconds += 10
    second = claimed(ledger, "w2", "n2")
    assert not ledger.complete(frozen.token, frames=1)
    assert ledger.complete(second.token, frames=2)
    assert not ledger.complete(second.token, frames=3)
    job = ledger.job("film")
    assert job is not None
    assert (job.state, job.completions, job.frames, job.node) == (JobState.DONE, 1, 2, "n2")


def test_a_heartbeat_extends_a_lease(ledger: LeaseLedger, clock: Clock) -> None:
    ledger.add([NewJob("film")])
    lease = claimed(ledger)
    for _ in range(3):
        clock.seconds += 9
        assert ledger.heartbeat([lease.token, 99]) == {lease.token}
        assert ledger.expire() == []


def test_two_dead_workers_quarantine_a_job_and_the_last_is_named(ledger: LeaseLedger, clock: Clock) -> None:
    ledger.add([NewJob("poison"), NewJob("film")])
    first = claimed(ledger, "w1", "n1")
    again = ledger.lose(first.token, "w1 on n1 was ended by signal 11", is_death=True)
    assert again is not None
    assert again.state is JobState.WAITING
    clock.seconds += 60
    assert claimed(ledger, "w2", "n2").job_id == "film", "suspects come last"
    assert ledger.claim("w2", "n2", is_busy=True) is None, "and are tried alone"
    second = claimed(ledger, "w3", "n3")
    assert second.is_suspect
    (job,) = ledger.lose_worker("w3", "w3 on n3 was ended by signal 11", is_death=True)
    assert (job.state, job.reason, job.node) == (JobState.QUARANTINED, "w3 on n3 was ended by signal 11", "n3")
    assert ledger.claim("w4", "n4") is None
    assert ledger.retry("poison")
    assert claimed(ledger, "w4", "n4").job_id == "poison"


def test_lost_nodes_are_held_against_a_job_only_when_they_are_many(ledger: LeaseLedger, clock: Clock) -> None:
    ledger.add([NewJob("film")])
    for number in range(MAX_LOSSES):
        clock.seconds += 1000
        job = ledger.lose(claimed(ledger, "w", f"n{number}").token, f"n{number} was lost", is_death=False)
        assert job is not None
        assert job.state is (JobState.WAITING if number < MAX_LOSSES - 1 else JobState.QUARANTINED)


def test_each_loss_doubles_the_wait(ledger: LeaseLedger, clock: Clock) -> None:
    ledger.add([NewJob("film")])
    waits = []
    for _ in range(4):
        ledger.lose(claimed(ledger).token, "lost", is_death=False)
        assert ledger.claim("w", "n") is None
        due = ledger.seconds_until_due()
        assert due is not None
        waits.append(due)
        clock.seconds += due
    assert waits == [1, 2, 4, 8]


def test_what_a_node_refuses_goes_to_another(ledger: LeaseLedger) -> None:
    ledger.add([NewJob("film")])
    assert ledger.refuse(claimed(ledger, "w1", "n1").token, "n1 has no root archive")
    assert ledger.claim("w1", "n1") is None
    assert ledger.refused() == {"film": {"n1": "n1 has no root archive"}}
    assert [(job.job_id, job.reason) for job in ledger.troubled()] == [("film", "n1 has no root archive")]
    lease = claimed(ledger, "w2", "n2")
    assert lease.attempt == 1, "a refusal is no attempt"
    ledger.release(lease.token)
    ledger.forgive("n1")
    assert claimed(ledger, "w1", "n1").job_id == "film"


def test_the_highest_priority_comes_first_and_then_the_order(ledger: LeaseLedger) -> None:
    ledger.add([NewJob("a"), NewJob("b", 5), NewJob("c", 5), NewJob("d")])
    assert [claimed(ledger).job_id for _ in range(4)] == ["b", "c", "a", "d"]


def test_leases_and_tokens_survive_a_coordinator_that_is_killed(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "ledger.sqlite"
    first = LeaseLedger(path, lease_seconds=10, clock=clock)  # never closed: it was killed
    first.add([NewJob("done"), NewJob("held"), NewJob("waits")])
    first.complete(claimed(first).token)
    held = claimed(first)
    clock.seconds += 9
    second = LeaseLedger(path, lease_seconds=10, clock=clock)
    clock.seconds += 9
    assert second.expire() == [], "it has its full term once more"
    assert claimed(second).token > held.token
    assert second.complete(held.token)
    assert second.counts() == {
        JobState.WAITING: 0,
        JobState.LEASED: 1,
        JobState.DONE: 2,
        JobState.FAILED: 0,
        JobState.QUARANTINED: 0,
    }
    first.close()
    second.close()


def test_a_job_with_another_content_begins_anew(ledger: LeaseLedger) -> None:
    ledger.add([NewJob("film", content="/a.mp4 1")])
    ledger.complete(claimed(ledger).token)
    ledger.add([NewJob("film", content="/a.mp4 1")])
    assert ledger.claim("w", "n") is None
    ledger.add([NewJob("film", content="/a.mp4 2")])
    assert claimed(ledger).attempt == 1


def test_only_one_of_many_threads_gets_a_job(ledger: LeaseLedger) -> None:
    ledger.add(NewJob(f"film-{number}") for number in range(40))
    leases: list[Lease] = []
    gate = threading.Barrier(4)

    def take(worker: str) -> None:
        gate.wait()
        while (lease := ledger.claim(worker, "n")) is not None:
            leases.append(lease)

    threads = [threading.Thread(target=take, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lease.job_id for lease in leases) == sorted(f"film-{number}" for number in range(40))
    assert len({lease.token for lease in leases}) == 40


def test_a_clock_that_is_set_moves_no_lease() -> None:
    wall, steady = [5000.0], [10.0]
    clock = steady_clock(lambda: wall[0], lambda: steady[0])
    wall[0] -= 3600
    steady[0] += 5
    assert clock() == 5005.0
