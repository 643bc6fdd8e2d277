"""Where a file's results go, and what stands in their `metadata.json`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from stages.sink.metadata import RunDescription
from visage.config import Settings
from visage.config.service import FolderConfig
from visage.models import embedder_spec
from visage.observe.machine import library_versions
from visage.service.ledger import Job

__all__ = ["describe_run", "results_folder"]

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


def describe_run(settings: Settings) -> RunDescription:
    """How the daemon looks at files."""
    return RunDescription(
        detector=settings.detector,
        embedder=settings.embedder if settings.embed else None,
        embedding_dimension=embedder_spec(settings.embedder).embedding_dim if settings.embed else None,
        frameskip=settings.frameskip,
        tracks=settings.track,
        versions={"visage": version("visage"), **library_versions()},
        settings=settings.model_dump(mode="json", exclude={"model_dir"}),
    )
