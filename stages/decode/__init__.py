"""From files and streams to numbered frames."""

from __future__ import annotations

__all__: list[str] = []
