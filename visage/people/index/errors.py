"""What can go wrong between faces and names; leaves of `stages.errors.StageError`.

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
    """An index of faces could not do what it was asked."""


class IndexUnavailable(FaceIndexError, ConnectionError):
    """The server can't be reached, or refuses."""


class IndexInUse(FaceIndexError, BlockingIOError):
    """Raised when another process owns the index."""


class IndexFull(FaceIndexError, OSError):
    """Nothing may be written any more."""


class IndexMismatch(FaceIndexError, ValueError):
    """Its vectors are not of the kind it was asked for."""
