"""From a catalogue entry to a network that runs on a card, its engine built on the way if need be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from stages.backends.tensorrt import TensorRTBackend
from stages.backends.tensorrt_api import TensorRTApi
from stages.buffers.cuda import CudaDevice
from stages.errors import EngineRejected
from stages.imaging.letterbox import DetectorInput
from visage.models.engines import EngineCache, EngineRequest, OnBuild, detector_shapes, embedder_shapes
from visage.models.registry import DetectorSpec, EmbedderSpec, ModelSpec
from visage.models.store import ModelStore

__all__ = ["build_engines", "engine_request", "open_backend"]

logger = logging.getLogger(__name__)

Precision = Literal["fp16", "fp32"]


def engine_request(
    spec: ModelSpec, store: ModelStore, *, max_batch: int, detector_size: int | None = None, precision: Precision
) -> EngineRequest:
    """What a catalogue entry needs on a card; fetches and prepares the model if need be.

    Args:
        detector_size: longer side of a detector's input; the catalogue's by default.

    Raises what `ModelStore.prepared` does.
    """
    model = store.prepared(spec.name)
    if isinstance(spec, DetectorSpec):
        wanted = DetectorInput(
            longest=detector_size or spec.input.longest,
            multiple=spec.input.multiple,
            square=spec.input.square,
            coarse=True,
        )
        shapes = detector_shapes(wanted, max_batch)
    elif isinstance(spec, EmbedderSpec):
        shapes = embedder_shapes(spec.input.size, max_batch)
    else:
        raise TypeError(f"{spec.name} is neither a detector nor an embedder")
    return EngineRequest(spec.name, model, precision, shapes)


def open_backend(
    request: EngineRequest,
    *,
    cache: EngineCache,
    api: TensorRTApi,
    device: CudaDevice,
    use_graphs: bool = True,
    on_build: OnBuild | None = None,
) -> TensorRTBackend:
    """Load the engine, building it if there is none or if TensorRT refuses the one there is.

    Raises what `EngineCache.engine` and `TensorRTBackend` do.
    """
    path = cache.engine(request, on_build=on_build)
    try:
        return TensorRTBackend(path.read_bytes(), api=api, device=device, name=request.name, use_graphs=use_graphs)
    except EngineRejected as exc:
        logger.warning("%s; building it again", exc)
        cache.discard(path)
    path = cache.engine(request, on_build=on_build)
    return TensorRTBackend(path.read_bytes(), api=api, device=device, name=request.name, use_graphs=use_graphs)


def build_engines(
    names: Sequence[str],
    *,
    store: ModelStore,
    ordinal: int,
    detect_batch: int,
    embed_batch: int,
    detector_size: int | None = None,
    precision: Precision = "fp16",
    on_build: OnBuild | None = None,
) -> list[Path]:
    """Build the engines of these models ahead of time; those that are there already are left alone.

    Returns their files. Raises UnknownModel, BackendUnavailable, and what `open_backend` does.
    """
    api, device = TensorRTApi.load(), CudaDevice(ordinal)
    cache = EngineCache(store.model_dir, api=api, arch=device.arch)
    requests = [
        engine_request(
            spec,
            store,
            max_batch=detect_batch if isinstance(spec, DetectorSpec) else embed_batch,
            detector_size=detector_size,
            precision=precision,
        )
        for spec in (store.spec(name) for name in names)
    ]
    for request in requests:
        # Loaded, too: an engine of another driver's making shows itself here and not in the first run.
        open_backend(request, cache=cache, api=api, device=device, on_build=on_build).close()
    return [cache.engine(request) for request in requests]
