"""What passes between threads, handled as a whole: frames and observations among the markers of their sources."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from stages.frames import Frame, Observation

__all__ = ["face_count", "release_all"]

logger = logging.getLogger(__name__)


def release_all(items: Iterable[object]) -> None:
    """Give back the pixels of those that have any."""
    for item in items:
        if isinstance(item, (Frame, Observation)):
            try:
                item.release()
            except Exception:  # one that can't be freed must not keep the others, nor who waits for them
                logger.exception("a picture could not be given back")


def face_count(item: object) -> int:
    """Faces of an observation that are to be embedded; none of a marker."""
    return len(item.faces.worth_embedding) if isinstance(item, Observation) else 0
