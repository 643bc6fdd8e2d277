"""What a file in work is called, and what it is doing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from visage.service.ledger import Job

__all__ = ["JobStatus", "source_name"]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A file that is being worked on."""

    source_id: str
    path: Path
    state: str
    fps: float
    frames: int
    faces: int


def source_name(job: Job) -> str:
    """What a file is called as a source: in events, metrics and logs."""
    stem = re.sub(r"[^\w.+-]+", "_", job.path.stem).strip("._-")[:80] or "file"
    return f"{stem}-{job.content[:8]}"
