"""What passes between threads, handled as a whole: frames and observations among the markers of their sources."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

from stages.frames import Frame, Observation
from stages.sources import SourceEnded

__all__ = ["batch_weight", "release_all"]

logger = logging.getLogger(__name__)


def release_all(items: Iterable[object]) -> None:
    """Give back the pixels of those that have any."""
    for item in items:
        if isinstance(item, (Frame, Observation)):
            try:
                item.release()
            except Exception:  # one that can't be freed must not keep the others, nor who waits for them
                logger.exception("a picture could not be given back")


def batch_weight(item: object) -> int:
    """What an item counts in a batch of faces: those to be embedded. A source's end fills one, for it is waited for."""
    if isinstance(item, Observation):
        return len(item.faces.worth_embedding)
    return sys.maxsize if isinstance(item, SourceEnded) else 0
