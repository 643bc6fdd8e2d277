"""The heap of a process that analyses: few arenas, and pictures that go back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

FREES_PICTURES = """
import re, sys, threading
from pathlib import Path
import numpy as np
from visage.heap import keep_heap_small

if sys.argv[1] == "small":
    keep_heap_small()
held = lambda: int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before, rows = held(), []
for turn in range(2):
    # The second round lies in a heap, for the first one has raised glibc's threshold; what comes last keeps it open.
    pictures = [np.ones(3_110_400, np.uint8) for _ in range(20)]
    rows.append(np.ones(100_000, np.uint8))
    del pictures
print(held() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap")
def test_freed_pictures_go_back_to_the_system() -> None:
    def held_kilobytes(how: str) -> int:
        told = subprocess.run(
            [sys.executable, "-c", FREES_PICTURES, how], capture_output=True, text=True, timeout=60, check=True
        )
        return int(told.stdout)

    assert held_kilobytes("small") < 3_000
    assert held_kilobytes("as it is") > 30_000  # otherwise the C library needs no help any more
