"""The name of a file as a source, and its state while it is analysed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from visage.service.ledger import Job

__all__ = ["JobStatus", "source_name"]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A file that is being analysed.

    Attributes:
        fps: frames per second of late.
        frames, faces: counted so far.
    """

    source_id: str
    path: Path
    state: str
    fps: float
    frames: int
    faces: int


def source_name(job: Job) -> str:
    """Return the name of a job's file as a source, in events, metrics and logs.

    It is the file's stem, a hyphen and 8 digits of the content's key: at most 89 characters, without spaces or slashes.
    """
    stem = re.sub(r"[^\w.+-]+", "_", job.path.stem).strip("._-")[:80] or "file"
    return f"{stem}-{job.content[:8]}"
