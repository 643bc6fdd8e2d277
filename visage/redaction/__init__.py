"""Redaction in two passes: a plan that people check and change, and a rendering of it that needs no network."""

from __future__ import annotations

from visage.redaction.plan import Plan
from visage.redaction.planner import PlanOptions, plan_redaction
from visage.redaction.render import render_plan

__all__ = ["Plan", "PlanOptions", "plan_redaction", "render_plan"]
