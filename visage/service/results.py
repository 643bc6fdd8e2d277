"""Where a file's results go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from visage.config.service import FolderConfig
from visage.service.ledger import Job

__all__ = ["results_folder"]

RESULTS_SUFFIX = ".visage"


def results_folder(job: Job, folders: Mapping[str, FolderConfig], state_dir: Path) -> Path:
    """Beside the file, or in its folder's mirror tree; for files without a folder, in the state folder."""
    folder = folders.get(job.folder)
    name = job.path.name + RESULTS_SUFFIX
    # A folder that was moved in the configuration still has files of its old place in the ledger.
    if folder is None or not job.path.is_relative_to(folder.path):
        return state_dir / "results" / f"{job.content[:8]}-{name}"
    if folder.output is None:
        return job.path.with_name(name)
    return folder.output / job.path.parent.relative_to(folder.path) / name
