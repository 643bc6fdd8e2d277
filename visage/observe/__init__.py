"""What people and machines see of a run: logs, metrics, progress, and what the machine offers."""

from __future__ import annotations

__all__: list[str] = []
