"""What a look at a model's files found."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FileCheck", "FileState", "Verification"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What `ModelStore.verify` found: the model's files, or the one that is missing."""

    name: str
    files: tuple[FileCheck, ...]

    @property
    def is_ok(self) -> bool:
        """Whether nothing is damaged or missing."""
        return all(file.state is FileState.OK for file in self.files)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file of the folder, compared with its digest."""

    path: Path
    state: FileState


class FileState(enum.Enum):
    """How a file compares with its digest."""

    OK = "ok"
    DAMAGED = "damaged"
    MISSING = "missing"
