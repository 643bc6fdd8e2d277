"""Stored results in the formats of other programs: `visage export`."""

from __future__ import annotations

from visage.export.formats import FORMATS, export

__all__ = ["FORMATS", "export"]
