"""A report that people look at: who is on screen, when, with whom."""

from __future__ import annotations

from visage.report.report import Report, write_report

__all__ = ["Report", "write_report"]
