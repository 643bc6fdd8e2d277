"""Builds a model into an engine: the plan that one TensorRT version runs on one kind of card.

Building takes a second to minutes and the card's whole attention, so plans are kept (see `visage.models.engines`). A
timing cache makes the next build on the same card faster. Ctrl-C stops a build where TensorRT lets it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stages.backends.tensorrt_api import TensorRTApi
from stages.backends.tensorrt_progress import make_monitor
from stages.errors import BackendError, ModelMismatch

__all__ = ["BuildProgress", "BuiltEngine", "EngineBuilder", "OnProgress", "ShapeRange"]

Shape = tuple[int, ...]

REPORT_SECONDS = 1.0


class EngineBuilder:
    """Builds engines, one at a time."""

    def __init__(self, api: TensorRTApi, *, optimization_level: int = 3) -> None:
        """
        Args:
            optimization_level: 0 (fast build) to 5 (fast engine); 3 is TensorRT's default.
        """
        self._api = api
        self._optimization_level = optimization_level

    def build(
        self,
        model: bytes,
        shapes: list[ShapeRange],
        *,
        half: bool = True,
        timing_cache: bytes = b"",
        on_progress: OnProgress | None = None,
    ) -> BuiltEngine:
        """Build a plan.

        Args:
            model: ONNX with one input; where `TensorRTApi.is_strongly_typed`, its types are the engine's.
            shapes: the input's shapes, one profile each.
            half: let TensorRT compute in half precision, where the version leaves the choice to the builder.
            timing_cache: from an earlier build with this version on this card; an unusable one is ignored.
            on_progress: called about once a second on another thread, and once at the end.

        Raises:
            ModelMismatch: TensorRT can't read the model, or its input has other axes.
            BackendError: the build failed.
        """
        trt = self._api.module
        self._api.take_errors()
        builder = trt.Builder(self._api.logger)
        network = self._api.create_network(builder)
        parser = trt.OnnxParser(network, self._api.logger)
        if not parser.parse(model):
            raise ModelMismatch(f"{self._api.name} can't read the model: {self._api.take_errors()}")
        if network.num_inputs != 1:
            raise ModelMismatch(f"a network has one input, this one has {network.num_inputs}")
        config = builder.create_builder_config()
        config.builder_optimization_level = self._optimization_level
        self._api.allow_precisions(config, network, half=half)
        self._api.share_profiles(config)
        for covered in shapes:
            config.add_optimization_profile(_profile(builder, network.get_input(0), covered))
        if self._api.has_timing_cache:
            _set_timing_cache(config, timing_cache)
        with _reporting(self._api, config, on_progress) as monitor:
            plan = builder.build_serialized_network(network, config)
        if monitor is not None and monitor.interrupted:
            raise KeyboardInterrupt
        if plan is None:
            raise BackendError(f"{self._api.name} could not build an engine: {self._api.take_errors()}")
        cache = bytes(config.get_timing_cache().serialize()) if self._api.has_timing_cache else b""
        return BuiltEngine(bytes(plan), cache)


@dataclass(frozen=True, slots=True)
class ShapeRange:
    """The input shapes, such as (N, 3, H, W), that one optimisation profile covers.

    Kernels are chosen for `optimum`.
    """

    minimum: Shape
    optimum: Shape
    maximum: Shape

    def covers(self, shape: Shape) -> bool:
        """Whether every axis lies within the range."""
        return len(shape) == len(self.minimum) and all(
            low <= side <= high for low, side, high in zip(self.minimum, shape, self.maximum, strict=True)
        )


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """A build under way.

    Attributes:
        seconds: since it began.
        fraction: how much is done, 0 to 1; None where this TensorRT does not say.
    """

    seconds: float
    fraction: float | None


OnProgress = Callable[[BuildProgress], None]


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """The result of a build.

    Attributes:
        plan: the serialised engine, as bytes.
        timing_cache: for the next build on this card; empty if this TensorRT keeps none.
    """

    plan: bytes
    timing_cache: bytes


def _set_timing_cache(config: Any, timing_cache: bytes) -> None:
    # False: a cache of another card is refused, and the build starts from an empty one.
    if not (timing_cache and config.set_timing_cache(config.create_timing_cache(timing_cache), False)):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _profile(builder: Any, tensor: Any, covered: ShapeRange) -> Any:
    axes = tuple(tensor.shape)
    fits = len(axes) == len(covered.minimum) and all(
        axis in (-1, low) and (axis == -1 or low == high)
        for axis, low, high in zip(axes, covered.minimum, covered.maximum, strict=False)
    )
    if not fits:
        raise ModelMismatch(f"input {tensor.name!r} has axes {axes}, which don't cover {covered}")
    profile = builder.create_optimization_profile()
    profile.set_shape(tensor.name, covered.minimum, covered.optimum, covered.maximum)
    return profile


@contextmanager
def _reporting(api: TensorRTApi, config: Any, on_progress: OnProgress | None) -> Iterator[Any]:
    """Report once a second while the body runs; yields the progress monitor, if this version has one."""
    monitor = make_monitor(api.module) if api.has_progress_monitor else None
    if monitor is not None:
        config.progress_monitor = monitor
    if on_progress is None:
        yield monitor
        return
    started = time.monotonic()
    finished = threading.Event()

    def report() -> None:
        while not finished.wait(REPORT_SECONDS):
            on_progress(BuildProgress(time.monotonic() - started, monitor.phases.fraction if monitor else None))

    reporter = threading.Thread(target=report, name="engine-build-progress")
    reporter.start()
    try:
        yield monitor
    finally:
        finished.set()
        reporter.join()
    on_progress(BuildProgress(time.monotonic() - started, 1.0))
