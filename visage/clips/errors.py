"""What can go wrong with clips, one line each, with what to do."""

from __future__ import annotations

__all__ = ["ClipsRefused"]


class ClipsRefused(ValueError):
    """Raised when results hold nobody of the name, or are damaged."""
