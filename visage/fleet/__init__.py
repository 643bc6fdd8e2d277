"""Pipelines in processes of their own, run like one: for several cards, or more files than one interpreter feeds."""

from __future__ import annotations

from visage.fleet.fleet import Fleet
from visage.fleet.messages import Task

__all__ = ["Fleet", "Task"]
