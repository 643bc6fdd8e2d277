"""What passes between threads: frames and observations, among the markers of their sources."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from stages.frames import Frame, Observation

__all__ = ["face_count", "release_all"]

logger = logging.getLogger(__name__)


def release_all(items: Iterable[object]) -> None:
    """Release the pixels of all frames and observations among these items; an error is logged, and nothing raises."""
    for item in items:
        if isinstance(item, (Frame, Observation)):
            try:
                item.release()
            except Exception:  # one that can't be freed must not keep the others, nor who waits for them
                logger.exception("a picture could not be given back")


def face_count(item: object) -> int:
    """Return the number of faces to embed in an observation; 0 for a marker."""
    return len(item.faces.worth_embedding) if isinstance(item, Observation) else 0
