"""The one place that names concrete stages: from settings and sources to a pipeline."""

from __future__ import annotations

from visage.assembly.build import build, build_service
from visage.assembly.choice import choose_platform
from visage.assembly.description import describe_run
from visage.assembly.launch import build_run
from visage.assembly.plan import ModelPlan
from visage.assembly.platform import Pictures, Platform

__all__ = [
    "ModelPlan",
    "Pictures",
    "Platform",
    "build",
    "build_run",
    "build_service",
    "choose_platform",
    "describe_run",
]
