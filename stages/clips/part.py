"""The pictures of a part of a film, however its times were rounded."""

from __future__ import annotations

from pathlib import Path

from stages.decode.demux import GUESSED_FPS, Demuxer
from stages.redact.film import Film

__all__ = ["open_part"]


def open_part(path: Path, start_seconds: float, end_seconds: float) -> Film:
    """Return the film opened for the pictures in [start, end), to the nearest half of a picture; the caller closes it.

    Raises SourceNotFound, SourceUnreadable, NotAVideo.
    """
    demuxer = Demuxer(str(path))
    try:
        half_seconds = 0.5 / (demuxer.fps or GUESSED_FPS)
    finally:
        demuxer.close()
    return Film(
        str(path),
        start_seconds=max(0.0, start_seconds - half_seconds),
        end_seconds=max(0.0, end_seconds - half_seconds),
    )
