"""The heap of a process that analyses: few arenas, and pictures that go back to the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


THREADS_OF_A_DAEMON = """
import ctypes, sys, tempfile, threading
import anyio
from visage.cli.serve import serve

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.fopen.restype = ctypes.c_void_p

def daemon(*_):
    ready = threading.Barrier(16)
    def take():
        ready.wait()
        libc.malloc(1000)
        ready.wait()
    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    with tempfile.NamedTemporaryFile() as file:
        stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
        libc.malloc_info(0, stream)
        libc.fclose(stream)
        print(file.read().decode().count("<heap nr="))

anyio.run = daemon
serve(config=__import__("pathlib").Path(sys.argv[1]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap")
def test_the_threads_of_a_daemon_share_two_heaps(tmp_path: Path) -> None:
    """A heap for each thread that ever read a film grew to 540 MiB within 20 films."""
    config = tmp_path / "visage.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\nweb: {{enabled: false}}\n")
    command = [sys.executable, "-c", THREADS_OF_A_DAEMON, str(config)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert int(found.stdout) <= 2, found.stderr
