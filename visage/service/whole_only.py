"""Discards the results of files that were interrupted, because they will be analysed again from the start."""

from __future__ import annotations

from stages.sink.base import Sink
from stages.sources import SourceEnded

__all__ = ["WholeOnly"]


class WholeOnly(Sink):
    """A sink that leaves nothing of an interrupted source. Opens, closes and abandons the sink it is given."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.attach = sink.attach  # type: ignore[method-assign]
        self.open = sink.open  # type: ignore[method-assign]
        self.end_tracks = sink.end_tracks  # type: ignore[method-assign]
        self.write = sink.write  # type: ignore[method-assign]
        self.abandon = sink.abandon  # type: ignore[method-assign]

    def close(self, ended: SourceEnded) -> None:
        """Close the sink, which makes its results durable, or abandon it if the source was interrupted."""
        if ended.interrupted:
            self._sink.abandon()
        else:
            self._sink.close(ended)
