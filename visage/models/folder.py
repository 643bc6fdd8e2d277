"""The folder that models are kept in, and how files get into it: whole or not at all.

A file is written beside its place as `.part`, checked, flushed to disk and renamed, by one process at a time; processes
that start at once wait for each other. Reading takes no lock, and works where the folder can't be written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visage.models.errors import ModelDamaged, ModelError, ModelUnavailable
from visage.models.pins import digest_of
from visage.storage.file_lock import file_lock

__all__ = ["ModelFolder"]


class ModelFolder:
    """The folder at `path`, which need not exist until something is kept in it."""

    def __init__(self, path: Path, *, lock_timeout_seconds: float) -> None:
        """`lock_timeout_seconds` is how long to wait for another process that writes into the same folder."""
        self.path = path
        self._lock_timeout_seconds = lock_timeout_seconds

    def __repr__(self) -> str:
        return f"<ModelFolder {self.path}>"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Alone in the folder, which exists and holds no leftovers of a process that was killed.

        Raises ModelUnavailable: it can't be written, or another process is at it for too long.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with file_lock(self.path / ".lock", timeout_seconds=self._lock_timeout_seconds):
                self._clear_leftovers()
                yield
        except ModelError:
            raise
        except TimeoutError as error:
            raise ModelUnavailable(f"{error}; is it still fetching models? Stop it, or choose --model-dir") from error
        except OSError as error:
            raise ModelUnavailable(
                f"can't keep models in {self.path}: {error.strerror or error}; choose a folder with --model-dir"
            ) from error

    @contextmanager
    def part_of(self, name: str) -> Iterator[Path]:
        """A path to write to before renaming; removed if it is still there at the end."""
        part = self.path / f"{name}.part"
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> Path:
        """Keep these bytes under this name; returns the file's path. Raises OSError."""
        with self.part_of(name) as part:
            part.write_bytes(content)
            return self.place(part, name, hashlib.sha256(content).hexdigest())

    def place(self, part: Path, name: str, sha256: str) -> Path:
        """Check, flush to disk, rename; returns the file's path. Raises ModelDamaged, OSError."""
        found = digest_of(part)
        if found != sha256:
            raise ModelDamaged(f"its SHA-256 is {found}, not {sha256}")
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        placed = part.replace(self.path / name)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name, too
        finally:
            os.close(folder)
        return placed

    def _clear_leftovers(self) -> None:
        for part in self.path.glob("*.part"):
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()
