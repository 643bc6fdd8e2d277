"""The ledger of leases against a plain model: workers claim, fall silent, die, come back late; the coordinator is
killed and started again; in any order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from visage.cluster.lease import JobState, LeasedJob, NewJob
from visage.cluster.ledger import MAX_DEATHS, MAX_LOSSES, LeaseLedger

JOBS = ("a", "b", "c", "d")
WORKERS = {"w1": "n1", "w2": "n1", "w3": "n2"}
NODES = ("n1", "n2")
LEASE_SECONDS = 10.0


@dataclass
class Expected:
    """What a job should be."""

    job_id: str
    order: int
    content: str
    priority: int
    state: JobState = JobState.WAITING
    token: int | None = None
    worker: str | None = None
    ends_at: float = 0.0
    not_before: float = 0.0
    attempts: int = 0
    deaths: int = 0
    losses: int = 0
    completions: int = 0

    def leave(self, state: JobState) -> None:
        self.state, self.token = state, None

    def begin_anew(self) -> None:
        self.leave(JobState.WAITING)
        self.attempts = self.deaths = self.losses = self.completions = 0
        self.not_before = 0.0

    def lose(self, now: float, *, is_death: bool) -> None:
        self.deaths += is_death
        self.losses += not is_death
        is_too_much = self.deaths >= MAX_DEATHS or self.losses >= MAX_LOSSES
        self.leave(JobState.QUARANTINED if is_too_much else JobState.WAITING)
        self.not_before = now + min(300.0, 2.0 ** (self.deaths + self.losses - 1))


class Leases(RuleBasedStateMachine):
    """One clock, moved by the rules alone."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1000.0
        self.folder = tempfile.TemporaryDirectory()
        self.jobs: dict[str, Expected] = {}
        self.refused: set[tuple[str, str]] = set()
        self.held: set[str] = set()
        self.is_paused = False
        self.granted: list[int] = []

    @initialize()
    def open(self) -> None:
        self.ledger = LeaseLedger(
            Path(self.folder.name) / "ledger.sqlite", lease_seconds=LEASE_SECONDS, clock=lambda: self.seconds
        )

    def leased(self) -> list[Expected]:
        return [job for job in self.jobs.values() if job.state is JobState.LEASED]

    def holder(self, token: int) -> Expected | None:
        return next((job for job in self.jobs.values() if job.token == token), None)

    @rule(job_id=st.sampled_from(JOBS), content=st.sampled_from("xy"), priority=st.integers(0, 2))
    def add(self, job_id: str, content: str, priority: int) -> None:
        self.ledger.add([NewJob(job_id, priority, content)])
        job = self.jobs.setdefault(job_id, Expected(job_id, len(self.jobs), content, priority))
        if job.content != content and job.state is not JobState.LEASED:
            job.begin_anew()
            job.content, job.worker = content, None
            job.priority = priority
        if job.state is JobState.WAITING:
            job.priority = priority

    @rule(worker=st.sampled_from(sorted(WORKERS)), is_busy=st.booleans())
    def claim(self, worker: str, is_busy: bool) -> None:
        node = WORKERS[worker]
        free = [
            job
            for job in self.jobs.values()
            if job.state is JobState.WAITING and job.not_before <= self.seconds
            if not (is_busy and job.deaths) and (job.job_id, node) not in self.refused
        ]
        lease = self.ledger.claim(worker, node, is_busy=is_busy)
        if self.is_paused or node in self.held or not free:
            assert lease is None
            return
        job = min(free, key=lambda job: (job.deaths > 0, -job.priority, job.order))
        assert lease is not None
        assert lease.job_id == job.job_id
        assert lease.token > max(self.granted, default=0), "a token was granted before"
        assert lease.is_suspect == (job.deaths > 0)
        self.granted.append(lease.token)
        job.state, job.token, job.worker = JobState.LEASED, lease.token, worker
        job.ends_at = self.seconds + LEASE_SECONDS
        job.attempts += 1
        assert lease.attempt == job.attempts

    @precondition(lambda self: self.granted)
    @rule(data=st.data(), kind=st.sampled_from(["complete", "fail", "release", "refuse", "lose", "heartbeat"]))
    def speak(self, data: st.DataObject, kind: str) -> None:
        """With any token that was ever granted: late ones are refused and change nothing."""
        token = data.draw(st.sampled_from(self.granted), label="token")
        job = self.holder(token)
        assert self.ledger.is_current(token) == (job is not None)
        is_death = data.draw(st.booleans(), label="death")
        calls: dict[str, Callable[[], object]] = {
            "complete": lambda: self.ledger.complete(token, frames=3, faces=1),
            "fail": lambda: self.ledger.fail(token, "broken"),
            "release": lambda: self.ledger.release(token),
            "refuse": lambda: self.ledger.refuse(token, "no such root"),
            "lose": lambda: self.ledger.lose(token, "gone", is_death=is_death),
            "heartbeat": lambda: self.ledger.heartbeat([token]),
        }
        said = calls[kind]()
        assert bool(said) == (job is not None)
        if job is None:
            return
        if kind == "heartbeat":
            job.ends_at = self.seconds + LEASE_SECONDS
        elif kind == "lose":
            job.lose(self.seconds, is_death=is_death)
        elif kind == "complete":
            job.leave(JobState.DONE)
            job.completions += 1
        elif kind == "fail":
            job.leave(JobState.FAILED)
        else:
            job.leave(JobState.WAITING)
            job.attempts -= 1
            if kind == "refuse":
                self.refused.add((job.job_id, WORKERS[str(job.worker)]))

    @rule(worker=st.sampled_from(sorted(WORKERS)), is_death=st.booleans())
    def lose_worker(self, worker: str, is_death: bool) -> None:
        had = [job for job in self.leased() if job.worker == worker]
        lost = self.ledger.lose_worker(worker, f"{worker} died", is_death=is_death)
        assert {job.job_id for job in lost} == {job.job_id for job in had}
        for job in had:
            job.lose(self.seconds, is_death=is_death)

    @rule(seconds=st.floats(0.5, 15))
    def time_passes(self, seconds: float) -> None:
        self.seconds += seconds

    @rule()
    def expire(self) -> None:
        late = [job for job in self.leased() if job.ends_at <= self.seconds]
        found = self.ledger.expire()
        assert {job.job_id for job in found} == {job.job_id for job in late}
        for job in late:
            job.lose(self.seconds, is_death=False)
        assert all(job.reason and "nothing was heard of n" in job.reason for job in found)

    @rule()
    def restart(self) -> None:
        """Whoever held a lease may go on, with its full term."""
        self.ledger.close()
        self.open()
        for job in self.leased():
            job.ends_at = self.seconds + LEASE_SECONDS

    @rule(seconds=st.floats(0.5, 15))
    def hear_nothing(self, seconds: float) -> None:
        self.seconds += seconds
        self.ledger.extend_all(seconds)
        for job in self.leased():
            job.ends_at += seconds

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.jobs.values())), label="job")
        assert self.ledger.retry(job.job_id) == (job.state is not JobState.LEASED)
        self.refused = {pair for pair in self.refused if pair[0] != job.job_id}
        if job.state is not JobState.LEASED:
            job.begin_anew()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.jobs.values())), label="job")
        assert self.ledger.give_up(job.job_id, "no node can") == (job.state is JobState.WAITING)
        if job.state is JobState.WAITING:
            job.leave(JobState.FAILED)

    @rule(node=st.sampled_from(NODES), kind=st.sampled_from(["hold", "free", "forgive", "pause", "resume"]))
    def command(self, node: str, kind: str) -> None:
        if kind == "hold":
            self.ledger.hold_node(node)
            self.held.add(node)
        elif kind == "free":
            self.ledger.free_node(node)
            self.held.discard(node)
        elif kind == "forgive":
            self.ledger.forgive(node)
            self.refused = {pair for pair in self.refused if pair[1] != node}
        elif kind == "pause":
            self.ledger.pause()
            self.is_paused = True
        else:
            self.ledger.resume()
            self.is_paused = False

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        found = {job.job_id: job for job in self.ledger.jobs()}
        assert found.keys() == self.jobs.keys()
        for name, job in self.jobs.items():
            self.check(found[name], job)
        states = [job.state for job in self.jobs.values()]
        assert self.ledger.counts() == {state: states.count(state) for state in JobState}
        assert self.ledger.is_paused == self.is_paused
        assert self.ledger.held_nodes == self.held
        for node in NODES:
            tokens = {job.token for job in self.leased() if WORKERS[str(job.worker)] == node}
            assert self.ledger.tokens_of(node) == tokens
        waits = [max(0.0, job.not_before - self.seconds) for job in self.jobs.values() if job.state is JobState.WAITING]
        due = self.ledger.seconds_until_due()
        assert due is None if not waits else due is not None and abs(due - min(waits)) < 1e-6

    def check(self, found: LeasedJob, job: Expected) -> None:
        assert (found.state, found.token, found.priority, found.content) == (
            job.state,
            job.token,
            job.priority,
            job.content,
        )
        assert (found.attempts, found.deaths, found.losses) == (job.attempts, job.deaths, job.losses)
        assert found.completions == job.completions == (job.state is JobState.DONE)
        assert (job.state is JobState.QUARANTINED) <= bool(found.reason)
        if job.state is JobState.LEASED:
            assert (found.worker, found.node) == (job.worker, WORKERS[str(job.worker)])

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=100, stateful_step_count=40)
