"""Device work recorded once and replayed with one call, which takes microseconds where queueing it took a millisecond.

A graph names the addresses that it was recorded with: whoever records one keeps that memory alive and in place.
"""

from __future__ import annotations

from collections.abc import Callable

from cuda.bindings import driver

from stages.buffers.cuda_calls import check
from stages.buffers.cuda_stream import CudaStream
from stages.errors import BackendError

__all__ = ["CudaGraph"]


class CudaGraph:
    """An executable graph; launched by one thread at a time."""

    __slots__ = ("_executable",)

    def __init__(self, executable: driver.CUgraphExec) -> None:
        self._executable = executable

    @classmethod
    def record(cls, stream: CudaStream, work: Callable[[], bool]) -> CudaGraph | None:
        """Record what `work` queues on `stream`, without running it. Raises BackendError.

        Returns None where `work` returns False or does what can't be recorded; the stream is usable in either case.
        """
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        check(driver.cuStreamBeginCapture(stream.handle, mode), "recording a CUDA graph")
        succeeded = False
        try:
            succeeded = work()
        finally:
            # An invalidated recording is ended by this call too, with an error that says only that.
            status, graph = driver.cuStreamEndCapture(stream.handle)
        if status != driver.CUresult.CUDA_SUCCESS:
            return None
        try:
            return cls(check(driver.cuGraphInstantiate(graph, 0), "making a CUDA graph")) if succeeded else None
        except BackendError:
            return None
        finally:
            check(driver.cuGraphDestroy(graph), "freeing a CUDA graph")

    def launch(self, stream: CudaStream) -> None:
        """Queue the recorded work on a stream. Raises BackendError."""
        check(driver.cuGraphLaunch(self._executable, stream.handle), "launching a CUDA graph")

    def close(self) -> None:
        """Destroy the graph; work already queued still finishes."""
        check(driver.cuGraphExecDestroy(self._executable), "freeing a CUDA graph")
