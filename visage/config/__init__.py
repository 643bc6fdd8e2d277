"""What a run is to do: settings and sources."""

from __future__ import annotations

from visage.config.settings import Settings

__all__ = ["Settings"]
