"""Which platform a run gets: TensorRT on a card if there is one that can, else the processors."""

from __future__ import annotations

import importlib

from stages.backends.availability import tensorrt_status
from stages.errors import BackendUnavailable
from visage.assembly.host import HostPlatform
from visage.assembly.plan import ModelPlan
from visage.assembly.platform import Platform
from visage.config import Settings

__all__ = ["choose_platform"]


def choose_platform(settings: Settings, plan: ModelPlan) -> Platform:
    """The platform that the settings ask for.

    Raises:
        BackendUnavailable: a card was asked for by name and can't be used; the message says why and what to do.
    """
    if settings.device == "cpu" or settings.backend in ("openvino", "onnxruntime"):
        return HostPlatform(settings, plan)
    ordinal = settings.cuda_ordinal
    status = tensorrt_status(ordinal)
    if status.ok:
        # Imported where a card is: CUDA for Python is an extra.
        platform: Platform = importlib.import_module("visage.assembly.cuda").CudaPlatform(settings, plan)
        return platform
    if settings.device == "auto" and settings.backend == "auto":
        return HostPlatform(settings, plan)
    raise BackendUnavailable(f"{status.detail}; {status.hint}")
