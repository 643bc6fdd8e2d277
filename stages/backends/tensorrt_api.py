"""The installed TensorRT, whatever its version: 8.6 to 11, or TensorRT for RTX.

What differs between them stands here and nowhere else:

- up to 9, networks want an explicit-batch flag and take their precision from builder flags; from 10 on they are built
  strongly typed, so the types in the model decide (11 and TensorRT for RTX know nothing else);
- up to 8.6, contexts share an optimisation profile only where the engine was built for that;
- activation memory is handed to a context by attribute (8.6) or by call (10.1 on);
- building reports its progress from 10 on;
- TensorRT for RTX keeps no timing cache.

TensorRT wants one logger in a process. It keeps the last errors, so that an exception can quote them.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections import deque
from types import ModuleType
from typing import Any

import numpy as np

from stages.errors import BackendUnavailable, ModelMismatch
from stages.installing import install_command

__all__ = ["MODULES", "TensorRTApi"]

# By preference. The last is what the package registry's wheels hold where NVIDIA's own index was not used.
MODULES = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")

_FIRST_STRONGLY_TYPED = 10


class TensorRTApi:
    """One TensorRT module behind an interface that is the same for all versions."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.version = str(module.__version__)
        self.is_rtx = module.__name__ != "tensorrt"
        self._errors: deque[str] = deque(maxlen=8)
        self._lock = threading.Lock()
        self.logger = self._make_logger()

    def __repr__(self) -> str:
        return f"<TensorRTApi {self.name}>"

    @classmethod
    @functools.lru_cache(maxsize=1)
    def load(cls) -> TensorRTApi:
        """Import the first module of `MODULES` that is installed.

        Raises:
            BackendUnavailable: there is none, or its libraries can't be loaded.
        """
        reasons: list[str] = []
        for name in MODULES:
            try:
                return cls(importlib.import_module(name))
            except ModuleNotFoundError as exc:
                if exc.name != name:
                    reasons.append(f"{name}: {exc}")
            except (ImportError, OSError) as exc:
                reasons.append(f"{name}: {exc}")
        detail = "; ".join(reasons) or "it is not installed"
        raise BackendUnavailable(f"TensorRT can't be used ({detail}): {install_command('tensorrt')}")

    @property
    def name(self) -> str:
        """The library with its version, for messages and file names, for example "tensorrt-8.6.0"."""
        return f"{'tensorrt-rtx' if self.is_rtx else 'tensorrt'}-{self.version}"

    @property
    def is_strongly_typed(self) -> bool:
        """Whether the model's own types decide the arithmetic: half precision then needs a half-precision model."""
        return self.is_rtx or int(self.version.partition(".")[0]) >= _FIRST_STRONGLY_TYPED

    @property
    def has_timing_cache(self) -> bool:
        """Whether measurements of one build can speed up the next."""
        return not self.is_rtx

    @property
    def has_progress_monitor(self) -> bool:
        """Whether a build reports its progress and can be stopped."""
        return hasattr(self.module, "IProgressMonitor")

    def create_network(self, builder: Any) -> Any:
        """Return an empty network with an explicit batch axis, strongly typed if the version supports it."""
        flags = self.module.NetworkDefinitionCreationFlag
        flag = flags.STRONGLY_TYPED if self.is_strongly_typed else flags.EXPLICIT_BATCH
        return builder.create_network(1 << int(flag))

    def allow_precisions(self, config: Any, network: Any, *, half: bool) -> None:
        """Let the builder compute in half precision, and in INT8 if the model has Q/DQ nodes.

        Without effect on strongly typed networks, whose model decides.
        """
        if self.is_strongly_typed:
            return
        if half:
            config.set_flag(self.module.BuilderFlag.FP16)
        layers = (network.get_layer(index) for index in range(network.num_layers))
        if any(layer.type == self.module.LayerType.QUANTIZE for layer in layers):
            config.set_flag(self.module.BuilderFlag.INT8)

    def activation_bytes(self, engine: Any) -> int:
        """Return the bytes of device memory that a context of this engine works in, the most of all its profiles."""
        if hasattr(engine, "device_memory_size_v2"):
            return int(engine.device_memory_size_v2)
        return int(engine.device_memory_size)

    def share_profiles(self, config: Any) -> None:
        """Let several contexts use one optimisation profile, which versions from 9 on allow by default."""
        if hasattr(self.module.PreviewFeature, "PROFILE_SHARING_0806"):
            config.set_preview_feature(self.module.PreviewFeature.PROFILE_SHARING_0806, True)

    def create_context(self, engine: Any, profile: int, activations: int, size: int, stream: int) -> Any:
        """A context that follows a profile and works in `size` bytes of device memory at address `activations`.

        Returns None if TensorRT fails. Work may be queued on `stream`, a handle.
        """
        if hasattr(engine, "create_execution_context_without_device_memory"):
            context = engine.create_execution_context_without_device_memory()
        else:
            context = engine.create_execution_context(self.module.ExecutionContextAllocationStrategy.USER_MANAGED)
        if context is None:
            return None
        # Before the memory: a context without a profile has no use for any.
        if context.active_optimization_profile != profile and not context.set_optimization_profile_async(
            profile, stream
        ):
            return None
        if hasattr(context, "set_device_memory"):
            context.set_device_memory(activations, size)
        else:
            context.device_memory = activations
        return context

    def dtype(self, engine: Any, tensor: str) -> np.dtype[np.generic]:
        """A tensor's element type. Raises ModelMismatch for one that no network of ours has."""
        # Not module.nptype: that of 8.6 fails with numpy 1.24 and later.
        known = {"FLOAT": np.float32, "HALF": np.float16, "UINT8": np.uint8}
        name = engine.get_tensor_dtype(tensor).name
        if name not in known:
            raise ModelMismatch(f"tensor {tensor!r} has type {name}, expected one of {sorted(known)}")
        return np.dtype(known[name])

    def take_errors(self) -> str:
        """Return the errors TensorRT has logged since the last call, in one line. Safe from any thread."""
        with self._lock:
            errors = list(self._errors)
            self._errors.clear()
        return "; ".join(errors) or "TensorRT gave no reason"

    def _make_logger(self) -> Any:
        module, errors, lock = self.module, self._errors, self._lock

        class Logger(module.ILogger):  # type: ignore[misc, name-defined]
            """Called from TensorRT's own threads."""

            def __init__(self) -> None:
                module.ILogger.__init__(self)

            def log(self, severity: Any, message: str) -> None:
                if severity in (module.ILogger.Severity.ERROR, module.ILogger.Severity.INTERNAL_ERROR):
                    with lock:
                        errors.append(" ".join(message.split()))

        return Logger()
