"""Results of files that are worked on again from their start when they were interrupted."""

from __future__ import annotations

from stages.sink.base import Sink
from stages.sources import SourceEnded

__all__ = ["WholeOnly"]


class WholeOnly(Sink):
    """A sink that leaves nothing of a source that was interrupted: it will be worked on again from its start."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.attach = sink.attach  # type: ignore[method-assign]
        self.open = sink.open  # type: ignore[method-assign]
        self.end_tracks = sink.end_tracks  # type: ignore[method-assign]
        self.write = sink.write  # type: ignore[method-assign]
        self.abandon = sink.abandon  # type: ignore[method-assign]

    def close(self, ended: SourceEnded) -> None:
        """Make it durable, unless it was interrupted."""
        if ended.interrupted:
            self._sink.abandon()
        else:
            self._sink.close(ended)
