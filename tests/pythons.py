"""The supported interpreters that this machine has, and environments made with them.

uv makes environments in seconds, where it is installed; otherwise venv and pip do.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["MINORS", "Environment", "PackagesUnreachable", "find_pythons"]

MINORS = (10, 11, 12, 13)
INSTALL_TIMEOUT_SECONDS = 600
NO_NETWORK = ("No matching distribution", "Temporary failure", "Connection", "error sending request", "Failed to fetch")


@functools.cache
def find_pythons() -> Mapping[int, Path]:
    """Interpreters by minor version: the running one, those on PATH, pyenv's."""
    found = {sys.version_info.minor: Path(sys.executable)}
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    for minor in MINORS:
        named = shutil.which(f"python3.{minor}")
        for candidate in [*sorted(pyenv.glob(f"3.{minor}.*/bin/python")), *([Path(named)] if named else [])]:
            if minor not in found and _minor_of(candidate) == minor:
                found[minor] = candidate
    return found


def _minor_of(python: Path) -> int | None:
    command = [str(python), "-c", "import sys; print(sys.version_info.minor)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return int(done.stdout) if done.returncode == 0 else None


class PackagesUnreachable(Exception):
    """Nothing could be fetched; the text is the installer's last line."""


class Environment:
    """A fresh virtual environment."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder = folder
        self._uv = shutil.which("uv")
        command = [self._uv, "venv", "--quiet", "--python", str(python)] if self._uv else [str(python), "-m", "venv"]
        subprocess.run([*command, str(folder)], check=True, timeout=INSTALL_TIMEOUT_SECONDS)

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def install(self, *requirements: str) -> None:
        """Raises PackagesUnreachable; AssertionError with the installer's output for anything else."""
        if self._uv:
            command = [self._uv, "pip", "install", "--quiet", "--python", self.program("python")]
        else:
            command = [self.program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, *requirements], capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_SECONDS
        )
        if done.returncode and any(sign in done.stderr for sign in NO_NETWORK):
            raise PackagesUnreachable(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stderr

    def run(self, *command: str, cwd: Path, **variables: str) -> str:
        """Standard output of a program of the environment, which sees nothing of the checkout."""
        done = subprocess.run(
            [self.program(command[0]), *command[1:]],
            cwd=cwd,
            env={"HOME": str(cwd), "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout
