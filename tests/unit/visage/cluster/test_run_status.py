"""What `visage cluster status` is told of the machines and of the work."""

from __future__ import annotations

import contextlib
from pathlib import Path

from visage.cluster.coordinator import NodeStatus, WorkerStatus
from visage.cluster.lease import NewJob
from visage.cluster.ledger import LeaseLedger
from visage.cluster.run_status import describe_machines, describe_work
from visage.config.sources import SourceSpec
from visage.fleet.remote import RemoteSources


def test_a_machine_is_as_silent_as_its_most_silent_worker() -> None:
    workers = {"a": WorkerStatus(1, 2, 0.24), "b": WorkerStatus(2, 2, 7.06)}
    machines = [{"node": "n1", "problem": ""}, {"node": "n2", "problem": "has no Visage"}]
    busy, idle = describe_machines(machines, {"n1": NodeStatus(is_held=True, workers=workers)})
    assert busy == {
        **machines[0],
        "held": True,
        "workers": 2,
        "jobs": 3,
        "capacity": 4,
        "silent_seconds": 7.1,
    }
    assert idle == {**machines[1], "held": False, "workers": 0, "jobs": 0, "capacity": 0, "silent_seconds": 0.0}


def test_work_is_counted_and_what_waits_says_why(tmp_path: Path) -> None:
    names = ("one", "two", "three")
    sources = RemoteSources([SourceSpec(source_id=name, uri=f"{name}.mp4") for name in names], interrupt=lambda _: None)
    with contextlib.closing(LeaseLedger(tmp_path / "ledger.sqlite", clock=lambda: 0.0)) as ledger:
        ledger.add(NewJob(name) for name in names)
        lost, held = ledger.claim("w1", "n1"), ledger.claim("w2", "n2")
        assert lost is not None
        assert held is not None
        ledger.lose(lost.token, "n1: worker w1 died", is_death=True)
        ledger.pause()
        described = describe_work(ledger, [held], sources)
    assert described["paused"]
    assert described["jobs"]["leased"] == 1
    assert described["jobs"]["waiting"] == 2
    assert [(one["source"], one["node"], one["attempt"]) for one in described["running"]] == [("two", "n2", 1)]
    (waiting,) = described["waiting"]
    assert (waiting["source"], waiting["state"]) == ("one", "waiting")
    assert "worker w1 died" in waiting["reason"]
