"""The service's errors.

ServiceError
├── StateInUse          another daemon has this state folder
├── SourceTaken         a source of this name exists
├── SourceUnknown       also LookupError: there is none
├── SourceUnfit         its state or kind does not allow this
└── RestartNeeded       a change of the configuration that a running daemon can't make
"""

from __future__ import annotations

__all__ = ["RestartNeeded", "ServiceError", "SourceTaken", "SourceUnfit", "SourceUnknown", "StateInUse"]


class ServiceError(Exception):
    """Root of the service's errors: catching it catches every one below."""


class StateInUse(ServiceError):
    """Raised at start when another daemon holds the lock of the state folder."""


class SourceTaken(ServiceError):
    """Raised when a source is added under a name that another source has."""


class SourceUnknown(ServiceError, LookupError):
    """Raised when no source has the given name."""


class SourceUnfit(ServiceError):
    """Raised when a source's state or kind does not allow the operation."""


class RestartNeeded(ServiceError):
    """Raised by a reload that changes a section which a running daemon can't apply."""
