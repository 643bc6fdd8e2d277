"""Which platform a run gets."""

from __future__ import annotations

from visage.assembly.host import HostPlatform
from visage.assembly.plan import ModelPlan
from visage.assembly.platform import Platform
from visage.config import Settings

__all__ = ["choose_platform"]


def choose_platform(settings: Settings, plan: ModelPlan) -> Platform:
    """The platform that the settings ask for. Raises BackendError where it is not to be had."""
    return HostPlatform(settings, plan)
