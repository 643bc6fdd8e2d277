"""Tries a suspect file in a process of its own: if it brings a process down, it brings down that one.

    python -m visage.service.trial PATH        settings as JSON on standard input

The child analyses the file as the daemon would, and discards the results. Only whether it lives counts: an ordinary
failure, such as a broken file, happens again in the daemon and is reported there. The child dies with its parent, and
when memory runs out the kernel kills it first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio

from visage.config import Settings

__all__ = ["Trial"]

PR_SET_PDEATHSIG = 1
FIRST_TO_GO = "1000"

NOT_FOR_A_TRIAL = {"gallery", "gallery_key", "index_url", "index_grpc_port", "index_api_key"}
"""A gallery has one writer, and a trial is to leave nothing behind."""

LONGEST_SECONDS = 6 * 3600.0


class Trial:
    """Runs trials of suspect files with the daemon's settings, without the gallery."""

    def __init__(self, settings: Settings, *, command: tuple[str, ...] = ()) -> None:
        """`command`: what is run, followed by the path; by default this module."""
        self._settings = settings.model_dump_json(exclude=NOT_FOR_A_TRIAL)
        self._command = command or (sys.executable, "-m", "visage.service.trial")

    async def death_of(self, path: Path) -> str | None:
        """Analyse the file in a child process; return how the child died, or None if it lived.

        Cancellation kills the child.

        A child that takes longer than LONGEST_SECONDS is killed and counts as dead. Raises OSError if it can't be
        started.
        """
        with anyio.move_on_after(LONGEST_SECONDS):
            process = await anyio.run_process(
                [*self._command, str(path)],
                input=self._settings.encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            return _death(process.returncode)
        return f"it did not end in {LONGEST_SECONDS / 3600:.0f} hours"


def _death(code: int) -> str | None:
    if code >= 0:
        return None
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"killed by signal {-code}"


def main() -> int:
    """Analyse one file and discard the results. Returns the exit status: 1 if the analysis raised an error."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return 1
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    from visage.analysis import analyze  # noqa: PLC0415  # heavy, and the parent needs none of it

    settings = Settings.model_validate_json(sys.stdin.read())
    try:
        for _ in analyze(sys.argv[1], settings):
            pass
    except Exception:  # the daemon will meet it again and say what it is
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
