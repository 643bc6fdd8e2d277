"""What can go wrong in the service.

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
    """Root of the tree."""


class StateInUse(ServiceError):
    """Another daemon has this state folder."""


class SourceTaken(ServiceError):
    """A source of this name exists."""


class SourceUnknown(ServiceError, LookupError):
    """There is no source of this name."""


class SourceUnfit(ServiceError):
    """The source's state or kind does not allow this."""


class RestartNeeded(ServiceError):
    """The configuration changed where a running daemon can't follow."""
