"""The one place that names concrete stages: from settings and sources to a pipeline."""

from __future__ import annotations

from visage.assembly.build import build
from visage.assembly.choice import choose_platform
from visage.assembly.plan import ModelPlan
from visage.assembly.platform import Platform

__all__ = ["ModelPlan", "Platform", "build", "choose_platform"]
