"""Every error that this package raises on purpose.

    StageError
    ├── SourceError              one input; the others go on
    │   ├── SourceNotFound       also FileNotFoundError
    │   ├── SourceUnreadable     also OSError: permission, a time-out, a refused connection
    │   ├── NotAVideo            also ValueError: no picture in it, or nothing that FFmpeg knows
    │   └── SourceBroken         broke in the middle; carries the frame index and second reached
    ├── BackendError             also RuntimeError: inference failed
    │   ├── BackendUnavailable   also ImportError: the library or the device is not here
    │   └── EngineRejected       a compiled network is damaged or of another version or card: compile it again
    ├── ModelMismatch            also ValueError: the network is not what its catalogue entry says
    ├── PoolError
    │   ├── PoolClosed
    │   └── PoolTimeout          also TimeoutError
    └── SinkError
        ├── OutputExists         also FileExistsError
        ├── OutputFailed         also OSError: full disk, read-only destination
        └── DisplayUnavailable   also RuntimeError: no window can be opened here

Messages are one line for a person and say what to do; the cause is chained.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

__all__ = [
    "BackendError",
    "BackendUnavailable",
    "DisplayUnavailable",
    "EngineRejected",
    "ModelMismatch",
    "NotAVideo",
    "OutputExists",
    "OutputFailed",
    "PoolClosed",
    "PoolError",
    "PoolTimeout",
    "SinkError",
    "SourceBroken",
    "SourceError",
    "SourceNotFound",
    "SourceUnreadable",
    "StageError",
]


class StageError(Exception):
    """The base of everything that this package raises on purpose."""


class SourceError(StageError):
    """Raised where one input can't be read, or not to its end; others go on."""


class SourceNotFound(SourceError, FileNotFoundError):
    """Raised where there is no such file or device."""


class SourceUnreadable(SourceError, OSError):
    """Raised for an input that exists but can't be opened: permission, time-out, connection refused."""


class NotAVideo(SourceError, ValueError):
    """Raised for an input that is empty, has no pictures, or is in no format that FFmpeg knows."""


class SourceBroken(SourceError):
    """Raised where a source breaks off before its end.

    Attributes:
        frame_index: index of the first missing frame, which is the number of frames delivered.
        pts_seconds: time of the last frame delivered, or 0.0 if there was none.
    """

    def __init__(self, message: str, *, frame_index: int, pts_seconds: float) -> None:
        super().__init__(message)
        self.frame_index = frame_index
        self.pts_seconds = pts_seconds

    def __reduce__(self) -> tuple[Callable[..., SourceBroken], tuple[str]]:
        """Pickles with its keyword arguments, which exceptions by themselves do not."""
        again = functools.partial(type(self), frame_index=self.frame_index, pts_seconds=self.pts_seconds)
        return again, (str(self),)


class BackendError(StageError, RuntimeError):
    """Raised where a network could not be compiled or run."""


class BackendUnavailable(BackendError, ImportError):
    """Raised where the backend's library, driver or device is missing; the message names the install command."""


class EngineRejected(BackendError):
    """Raised for a compiled network that is damaged, or was compiled by another version or for another card."""


class ModelMismatch(StageError, ValueError):
    """Raised where a network's inputs or outputs are not those that its head or catalogue entry expects."""


class PoolError(StageError):
    """Raised where a buffer could not be leased."""


class PoolClosed(PoolError):
    """Raised where the pool was closed, before or while waiting."""


class PoolTimeout(PoolError, TimeoutError):
    """Raised where no buffer came back in time."""


class SinkError(StageError):
    """Raised where an output can't be written."""


class OutputExists(SinkError, FileExistsError):
    """Raised where the destination exists and `force` was not given."""


class OutputFailed(SinkError, OSError):
    """Raised where writing failed: full disk, read-only destination, lost mount."""


class DisplayUnavailable(SinkError, RuntimeError):
    """Raised where no window can be opened; the message names what is missing and what to use instead."""
