"""What can go wrong with a report over many films, one line each, with what to do."""

from __future__ import annotations

__all__ = ["ArchiveRefused"]


class ArchiveRefused(ValueError):
    """Raised when there are no results to report on, or the table of films can't be read."""
