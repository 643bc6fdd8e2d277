"""Pipelines in processes of their own, run like one: for several cards, or more files than one interpreter feeds."""

from __future__ import annotations

from visage.fleet.fleet import Fleet
from visage.fleet.job import Job

__all__ = ["Fleet", "Job"]
