"""Which platform a run gets: TensorRT on a card if there is one that can, else ONNX Runtime's CUDA provider with the
pictures in host memory, else the processors."""

from __future__ import annotations

import contextlib
import importlib

from stages.backends.availability import onnxruntime_status, tensorrt_status
from stages.errors import BackendUnavailable
from visage.assembly.plan import ModelPlan
from visage.assembly.platform import Platform
from visage.config import Settings

__all__ = ["choose_platform"]


def choose_platform(settings: Settings, plan: ModelPlan) -> Platform:
    """The platform that the settings ask for.

    Raises:
        BackendUnavailable: a card was asked for by name and can't be used; the message says why and what to do.
    """
    if settings.device == "cpu" or settings.backend == "openvino":
        return _host(settings, plan)
    if settings.backend == "onnxruntime":
        named = settings.device != "auto"
        return _host(settings, plan, cuda_ordinal=settings.cuda_ordinal if named else None)
    ordinal = settings.cuda_ordinal
    status = tensorrt_status(ordinal)
    if status.ok:
        # Imported where a card is: CUDA for Python is an extra.
        platform: Platform = importlib.import_module("visage.assembly.cuda").CudaPlatform(settings, plan)
        return platform
    if settings.backend == "auto":
        if onnxruntime_status(ordinal).ok:
            with contextlib.suppress(BackendUnavailable):  # listed, but its libraries can't be loaded
                return _host(settings, plan, cuda_ordinal=ordinal)
        if settings.device == "auto":
            return _host(settings, plan)
    raise BackendUnavailable(f"{status.detail}; {status.hint}")


def _host(settings: Settings, plan: ModelPlan, *, cuda_ordinal: int | None = None) -> Platform:
    # Imported where it is chosen: OpenVINO takes longer to import than a card takes to load its networks.
    platform: Platform = importlib.import_module("visage.assembly.host").HostPlatform(
        settings, plan, cuda_ordinal=cuda_ordinal
    )
    return platform
