"""Errors of the index; leaves of `stages.errors.StageError`.

FaceIndexError
├── IndexUnavailable   also ConnectionError: a server does not answer; what is waiting is caught up later
├── IndexInUse         also BlockingIOError: another process has the folder open
├── IndexFull          also OSError: its disk has no room; what is waiting is caught up later
└── IndexMismatch      also ValueError: embeddings of another length or model
"""

from __future__ import annotations

from stages.errors import StageError

__all__ = ["FaceIndexError", "IndexFull", "IndexInUse", "IndexMismatch", "IndexUnavailable"]


class FaceIndexError(StageError):
    """Root of the index's errors: catching it catches every one below."""


class IndexUnavailable(FaceIndexError, ConnectionError):
    """Raised when the server can't be reached, or refuses."""


class IndexInUse(FaceIndexError, BlockingIOError):
    """Raised when another process owns the index."""


class IndexFull(FaceIndexError, OSError):
    """Raised when the disk or the server accepts no more."""


class IndexMismatch(FaceIndexError, ValueError):
    """Raised for vectors of another length than the index holds."""
