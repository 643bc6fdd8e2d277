"""Where a file's results go."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from visage.config.service import FolderConfig
from visage.service.ledger import Job

__all__ = ["results_folder"]

RESULTS_SUFFIX = ".visage"

MAX_NAME_BYTES = 255
"""Of Linux's file systems and most others."""


def results_folder(job: Job, folders: Mapping[str, FolderConfig], state_dir: Path) -> Path:
    """Return the folder for a job's results: beside the file, or in its watched folder's `output` tree.

    Files without a watched folder have theirs in the state folder. The name is at most 255 bytes.
    """
    folder = folders.get(job.folder)
    # A folder that was moved in the configuration still has files of its old place in the ledger.
    if folder is None or not job.path.is_relative_to(folder.path):
        return state_dir / "results" / _name(f"{job.content[:8]}-{job.path.name}")
    name = _name(job.path.name)
    if folder.output is None:
        return job.path.with_name(name)
    return folder.output / job.path.parent.relative_to(folder.path) / name


def _name(file_name: str) -> str:
    """The file's name and the suffix; of a name too long for that its beginning and a digest of all of it."""
    if len(os.fsencode(file_name + RESULTS_SUFFIX)) <= MAX_NAME_BYTES:
        return file_name + RESULTS_SUFFIX
    encoded = os.fsencode(file_name)
    ending = f"-{hashlib.blake2b(encoded, digest_size=8).hexdigest()}{RESULTS_SUFFIX}"
    return encoded[: MAX_NAME_BYTES - len(ending)].decode(errors="ignore") + ending
