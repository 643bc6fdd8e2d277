"""Where observations go: the contract of every output.

A sink serves one source and is opened, used and closed by one thread. Its output is staged while rows arrive and
becomes visible, whole and durable, in `close`. Every method may raise SinkError; its caller then calls `abandon` and
goes on with the other sources. Under pressure a sink is simply slow: the bounded queue before it holds back the
pipeline. Whether pictures still have their pixels is settled for the whole run before there is a sink: whoever
makes sinks that read them says so to `visage.assembly` (`keep_pixels`).
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.frames import Observation
from stages.sources import SourceEnded, VideoInfo
from stages.tracks.log import TrackLog
from stages.tracks.summary import TrackSummary

__all__ = ["Sink"]


class Sink:
    """One output of one source. Each method here does nothing: an output overrides those that concern it."""

    def attach(self, tracks: TrackLog) -> None:
        """Take note of the source's track log, before `open`; `stages.sink.source_sinks` feeds it."""

    def open(self, info: VideoInfo) -> None:
        """Stage the output. Raises OutputExists, OutputFailed."""

    def end_tracks(self, tracks: Sequence[TrackSummary]) -> None:
        """Take the tracks that ended before the next frame, or with the source; called before `write` and `close`."""

    def write(self, observation: Observation) -> None:
        """Take the next frame of the source, in order. The pixels stay the caller's, who releases them afterwards."""

    def close(self, ended: SourceEnded) -> None:
        """Make the output durable and whole, then visible; also for a source that broke or was interrupted."""

    def abandon(self) -> None:
        """Discard what is not yet visible. Safe at any time and twice; after `close` it does nothing. Never raises."""
