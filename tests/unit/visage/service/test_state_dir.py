"""One daemon a folder, and whether the last one crashed or was killed."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from visage.service.errors import StateInUse
from visage.service.state_dir import StateDir
from visage.service.systemd import Notifier

DIE = """
import os, sys
from pathlib import Path
from visage.service.state_dir import StateDir
folder = StateDir(Path(sys.argv[1]))
folder.watch_for_crash()
os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("number", "is_own_fault"), [(signal.SIGSEGV, True), (signal.SIGABRT, True), (signal.SIGKILL, False)]
)
def test_a_crash_leaves_a_mark_and_a_kill_does_not(tmp_path: Path, number: signal.Signals, is_own_fault: bool) -> None:
    died = subprocess.run(
        [sys.executable, "-c", DIE, str(tmp_path), str(int(number))], check=False, capture_output=True, timeout=60
    )
    assert died.returncode == -number
    folder = StateDir(tmp_path)
    assert (folder.crash is not None) is is_own_fault
    folder.close()
    again = StateDir(tmp_path)
    assert again.crash is None
    again.close()


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    first = StateDir(tmp_path)
    with pytest.raises(StateInUse, match="another daemon"):
        StateDir(tmp_path)
    first.close()
    StateDir(tmp_path).close()


@pytest.mark.parametrize("is_abstract", [False, True])
def test_systemd_is_told(tmp_path: Path, is_abstract: bool) -> None:
    name = f"@visage-test-{tmp_path.name}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if is_abstract else name)
        notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000"})
        assert notifier.watchdog_seconds == 15.0
        notifier.ready()
        notifier.tick(lambda: "stuck", "2 cameras")
        notifier.tick(str, "2 cameras")
        notifier.tick(str, "not due yet")
        notifier.stopping()
        assert [listening.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1\nSTATUS=2 cameras", b"STOPPING=1"]


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready()
    assert notifier.watchdog_seconds is None
