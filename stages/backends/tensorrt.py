"""Runs an engine on a card: everything is queued on the caller's stream.

Nothing is allocated and nothing waits, except while a graph is recorded.

All contexts work in one block of device memory and write into one set of output arrays, so a backend's calls must be
ordered: one thread, one stream. A shape that comes a second time from the same memory is recorded as a CUDA graph and
replayed from then on, because queueing the kernels one by one costs the host almost as long as they run. Each
graph has a context of its own: TensorRT leaves a graph undefined once its context has seen another shape. When
`GRAPH_LIMIT` graphs are there, or TensorRT can't be recorded, further shapes are queued kernel by kernel.

Batches are rounded up to one of a few sizes where their memory has room for it: a graph for every number from 1 to 64
took seconds of a run to record, and the rows too many, whatever is in them, take far less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.backends.tensorrt_api import TensorRTApi
from stages.backends.tensorrt_builder import Shape, ShapeRange
from stages.buffers import Stream
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_graph import CudaGraph
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray
from stages.errors import BackendError, EngineRejected, ModelMismatch

__all__ = ["TensorRTBackend"]

GRAPH_LIMIT = 96
"""Room for `BATCH_SIZES` at the two or three frame shapes of a run. A graph of YuNet takes well under a megabyte."""

BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""What batches are rounded up to: by less than a half."""


class TensorRTBackend:
    """A `Backend` of device arrays: owns one engine with its contexts, outputs and graphs, on one card."""

    def __init__(
        self, plan: bytes, *, api: TensorRTApi, device: CudaDevice, name: str, use_graphs: bool = True
    ) -> None:
        """Load a plan on the calling thread, with `device` current.

        Args:
            name: of the network, for errors.
            use_graphs: False queues every call kernel by kernel (to measure what graphs bring).

        Raises:
            EngineRejected: the plan is damaged, or of another TensorRT version or card: build it again.
            BackendError: the card's memory does not suffice.
            ModelMismatch: the engine has other inputs or outputs than a backend may have.
        """
        self._api = api
        self._device = device
        self._network = name
        self._use_graphs = use_graphs
        self._arrays: list[DeviceArray] = []
        self._profiles: list[_Profile] = []
        self._graphs: dict[tuple[Shape, int], tuple[CudaGraph, Any]] = {}
        self._seen: set[tuple[Shape, int]] = set()
        self._rounded: dict[tuple[Shape, int], Shape] = {}
        self._output_shapes: dict[Shape, dict[str, Shape]] = {}
        self._results: dict[tuple[Shape, int], Mapping[str, DeviceArray]] = {}
        api.take_errors()
        # Kept: TensorRT wants the runtime to outlive its engines.
        self._runtime = api.module.Runtime(api.logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise self._rejection()
        try:
            self._input_name, self._input_dtype, self._outputs = self._read_tensors()
            self._activations = self._allocate((api.activation_bytes(self._engine),), np.dtype(np.uint8))
            profiles = [self._open_profile(index) for index in range(self._engine.num_optimization_profiles)]
            self._profiles = sorted(profiles, key=lambda profile: math.prod(profile.covered.maximum))
            self._allocate_outputs()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<TensorRTBackend {self._network}, {self.name}, {len(self._graphs)} graphs>"

    @property
    def name(self) -> str:
        return f"{self._api.name} cuda:{self._device.ordinal}"

    @property
    def max_batch(self) -> int:
        return max(profile.covered.maximum[0] for profile in self._profiles)

    @property
    def graph_count(self) -> int:
        """The number of batch shapes that are replayed as a graph instead of queued kernel by kernel."""
        return len(self._graphs)

    def infer(self, batch: DeviceArray, *, stream: Stream) -> Mapping[str, DeviceArray]:
        """Queue the network on `stream`, a CudaStream; see `Backend.infer`."""
        stream = CudaStream.of(stream)
        if batch.dtype != self._input_dtype:
            raise ModelMismatch(f"{self._network} takes {self._input_dtype}, the batch is {batch.dtype}")
        shape = self._rounded.get((batch.shape, batch.room))
        if shape is None:
            shape = self._rounded[batch.shape, batch.room] = self._rounded_shape(batch)
        key = (shape, batch.pointer)
        if key in self._graphs:
            self._graphs[key][0].launch(stream)
        else:
            profile = self._profile_for(shape)
            self._enqueue(profile.context, shape, batch.pointer, stream)
            if self._use_graphs and key in self._seen and len(self._graphs) < GRAPH_LIMIT:
                self._record(profile, shape, batch.pointer, stream)
            self._seen.add(key)
        found = self._results.get((shape, batch.shape[0]))
        if found is None:
            found = self._results[shape, batch.shape[0]] = self._views(shape, batch.shape[0])
        return found

    def close(self) -> None:
        """Release the engine, its graphs and arrays once their work has finished; blocks until then. Idempotent."""
        # First, because freeing memory waits for the card, and contexts must not go before their work is done.
        while self._arrays:
            self._device.free(self._arrays.pop())
        for graph, _ in self._graphs.values():
            graph.close()
        self._graphs.clear()
        self._profiles.clear()
        self._engine = self._runtime = None

    def _read_tensors(self) -> tuple[str, np.dtype[np.generic], list[str]]:
        """The input's name and type, and the outputs' names."""
        engine, mode = self._engine, self._api.module.TensorIOMode
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == mode.INPUT]
        outputs = [name for name in names if engine.get_tensor_mode(name) == mode.OUTPUT]
        if len(inputs) != 1:
            raise ModelMismatch(f"{self._network}: a network has one input, this engine has {inputs}")
        for name in outputs:
            if self._api.dtype(engine, name) != np.float32:
                raise ModelMismatch(f"{self._network}: output {name!r} is not float32")
        return inputs[0], self._api.dtype(engine, inputs[0]), outputs

    def _open_profile(self, index: int) -> _Profile:
        minimum, optimum, maximum = self._engine.get_tensor_profile_shape(self._input_name, index)
        context = self._create_context(index)
        if context is None:
            raise BackendError(f"{self._network}: no execution context: {self._api.take_errors()}")
        return _Profile(index, ShapeRange(tuple(minimum), tuple(optimum), tuple(maximum)), context)

    def _create_context(self, profile: int) -> Any:
        """A context in the shared memory, without its outputs; None if TensorRT fails."""
        stream = self._device.create_stream()
        context = self._api.create_context(
            self._engine, profile, self._activations.pointer, self._activations.nbytes, stream.handle
        )
        stream.synchronize()
        stream.close()
        return context

    def _allocate_outputs(self) -> None:
        largest = dict.fromkeys(self._outputs, 0)
        for profile in self._profiles:
            profile.context.set_input_shape(self._input_name, profile.covered.maximum)
            for name in self._outputs:
                largest[name] = max(largest[name], math.prod(profile.context.get_tensor_shape(name)))
        self._output_arrays = {
            name: self._allocate((elements,), np.dtype(np.float32)) for name, elements in largest.items()
        }
        for profile in self._profiles:
            self._bind_outputs(profile.context)

    def _bind_outputs(self, context: Any) -> None:
        for name, array in self._output_arrays.items():
            context.set_tensor_address(name, array.pointer)

    def _allocate(self, shape: Shape, dtype: np.dtype[np.generic]) -> DeviceArray:
        array = self._device.allocate(shape, dtype)
        self._arrays.append(array)
        return array

    def _profile_for(self, shape: Shape) -> _Profile:
        """The narrowest profile that covers a shape."""
        for profile in self._profiles:
            if profile.covered.covers(shape):
                return profile
        raise ModelMismatch(f"{self._network}: no profile of the engine covers an input of {shape}")

    def _rounded_shape(self, batch: DeviceArray) -> Shape:
        """The batch's shape, or one with more rows: as many as its memory has, and every output."""
        count = batch.shape[0]
        rows = next((size for size in BATCH_SIZES if size >= count), count)
        shape = (min(rows, self._profile_for(batch.shape).covered.maximum[0]), *batch.shape[1:])
        has_room = math.prod(shape) * batch.dtype.itemsize <= max(batch.room, batch.nbytes)
        has_rows = all(output[0] == shape[0] for output in self._shapes_of_outputs(shape).values())
        return shape if has_room and has_rows else batch.shape

    def _shapes_of_outputs(self, shape: Shape) -> dict[str, Shape]:
        if shape not in self._output_shapes:
            context = self._profile_for(shape).context
            context.set_input_shape(self._input_name, shape)
            self._output_shapes[shape] = {name: tuple(context.get_tensor_shape(name)) for name in self._outputs}
        return self._output_shapes[shape]

    def _enqueue(self, context: Any, shape: Shape, pointer: int, stream: CudaStream) -> None:
        if not (
            context.set_input_shape(self._input_name, shape)
            and context.set_tensor_address(self._input_name, pointer)
            and context.execute_async_v3(stream.handle)
        ):
            raise BackendError(f"{self._network}: TensorRT failed: {self._api.take_errors()}")

    def _views(self, shape: Shape, count: int) -> Mapping[str, DeviceArray]:
        """The outputs of the first `count` rows of an input of this shape."""
        shapes = self._shapes_of_outputs(shape)
        return {
            name: array.view((count, *shapes[name][1:]) if count < shape[0] else shapes[name])
            for name, array in self._output_arrays.items()
        }

    def _record(self, profile: _Profile, shape: Shape, pointer: int, stream: CudaStream) -> None:
        """Keep a graph of this shape for the next time; without one, this backend goes on as before."""
        context = self._create_context(profile.index)
        if context is None:
            self._use_graphs = False
            return
        self._bind_outputs(context)
        # The first call after a change of shape does work that a graph can't hold; it computes what `infer` just did.
        self._enqueue(context, shape, pointer, stream)
        graph = CudaGraph.record(stream, lambda: bool(context.execute_async_v3(stream.handle)))
        if graph is None:
            self._use_graphs = False
        else:
            self._graphs[shape, pointer] = graph, context

    def _rejection(self) -> BackendError:
        reason = self._api.take_errors()
        if "out of memory" in reason.lower() or "outofmemory" in reason.lower():
            return BackendError(f"{self._network}: the GPU is out of memory; use a smaller batch ({reason})")
        return EngineRejected(f"{self._network}: {self._api.name} can't load this engine: {reason}")


@dataclass(frozen=True, slots=True)
class _Profile:
    """One optimisation profile with the context that queues its kernels one by one."""

    index: int
    covered: ShapeRange
    context: Any
