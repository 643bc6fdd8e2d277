"""Where observations go: the contract of every output.

A sink serves one source and is opened, used and closed by one thread. Its output is staged while rows arrive and
becomes visible, whole and durable, in `close`. Every method may raise SinkError; its caller then calls `abandon` and
goes on with the other sources. Under pressure a sink is simply slow: the bounded queue before it holds back the
pipeline. Whether pictures still have their pixels is settled for the whole run before there is a sink: whoever
makes sinks that read them says so to `visage.assembly` (`keep_pixels`).
"""

from __future__ import annotations

from typing import Protocol

from stages.frames import Observation
from stages.sources import SourceEnded, VideoInfo

__all__ = ["ObservingSink", "Sink"]


class Sink(Protocol):
    """One output of one source."""

    def open(self, info: VideoInfo) -> None:
        """Stage the output. Raises OutputExists, OutputFailed."""

    def write(self, observation: Observation) -> None:
        """Take the next frame of the source, in order. The pixels stay the caller's, who releases them afterwards."""

    def close(self, ended: SourceEnded) -> None:
        """Make the output durable and whole, then visible; also for a source that broke or was interrupted."""

    def abandon(self) -> None:
        """Discard what is not yet visible. Safe at any time and twice; after `close` it does nothing. Never raises."""


class ObservingSink:
    """A base for sinks that stage no output: everything except `write` does nothing until it is overridden."""

    def open(self, info: VideoInfo) -> None:
        """Stage nothing."""

    def close(self, ended: SourceEnded) -> None:
        """Make nothing durable."""

    def abandon(self) -> None:
        """Discard nothing."""
