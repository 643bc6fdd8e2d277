"""The machine is described without configuring anything."""

from __future__ import annotations

import os

from visage.observe.machine import describe_machine


def test_the_description_fits_this_machine() -> None:
    machine = describe_machine()
    assert 0 < machine.usable_cores <= len(os.sched_getaffinity(0)) <= machine.cores
    assert machine.memory_bytes > 2**28
    assert machine.cpu
    assert machine.libraries["av"].split(".")[0].isdigit()
