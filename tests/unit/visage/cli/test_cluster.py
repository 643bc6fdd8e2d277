"""`visage cluster status` as people read it."""

from __future__ import annotations

from visage.cli.cluster import describe_run


def test_a_run_is_described_with_its_machines_and_what_waits() -> None:
    text = describe_run(
        {
            "run": "ab12",
            "state": "running",
            "paused": True,
            "age_seconds": 0.4,
            "jobs": {"waiting": 3, "leased": 1, "done": 1200, "failed": 0, "quarantined": 1},
            "nodes": [
                {
                    "node": "n1",
                    "host": "one",
                    "cpus": 16.0,
                    "gpus": 2.0,
                    "state": "admitted",
                    "problem": None,
                    "held": False,
                    "workers": 1,
                    "jobs": 1,
                    "capacity": 4,
                    "silent_seconds": 0.6,
                },
                {
                    "node": "n2",
                    "host": "two",
                    "cpus": 8.0,
                    "gpus": 0.0,
                    "state": "refused",
                    "problem": "has Visage 0.1, and this is 0.2",
                    "held": False,
                    "workers": 0,
                    "jobs": 0,
                    "capacity": 0,
                    "silent_seconds": 0.0,
                },
            ],
            "running": [{"source": "film", "node": "n1", "attempt": 2, "frames": 1500, "of": 3000, "fps": 41.5}],
            "waiting": [
                {"source": "poison", "state": "quarantined", "node": "n1", "reason": "n1 was ended by signal 11"}
            ],
        }
    )
    assert text.splitlines() == [
        "run ab12: running, paused",
        "films: 3 waiting, 1 leased, 1,200 done, 1 quarantined",
        "machine  state     cpus  gpus  jobs    heard",
        "n1       admitted  16    2     1 of 4  1 s ago",
        "n2       refused   8     0     0 of 0  -        has Visage 0.1, and this is 0.2",
        "film  machine  attempt  frames          fps",
        "film  n1       2        1,500 of 3,000  41.5",
        "poison: quarantined: n1 was ended by signal 11",
    ]


def test_a_status_that_is_old_says_so() -> None:
    assert describe_run({"run": "ab12", "state": "running", "age_seconds": 61.0}).splitlines() == [
        "run ab12: running (of 61 s ago)",
        "films: none",
    ]
