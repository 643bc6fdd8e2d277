"""Coarse to fine: what a scan found in a film, and the spans around it that are analysed in every frame."""

from __future__ import annotations

from visage.scanning.findings import Findings, FindingsSink, FoundFace, read_findings
from visage.scanning.spans import Interest, spans_around, widened

__all__ = ["Findings", "FindingsSink", "FoundFace", "Interest", "read_findings", "spans_around", "widened"]
