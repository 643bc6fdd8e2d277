"""The sinks of one source, with the log of its tracks: the log runs once, and every sink gets the tracks that ended.

Invariant: a sink sees `end_tracks` before the frame that its tracks ended before. The first failure abandons all sinks
of the source; its frames are counted and logged further, and written nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stages.frames import Observation
from stages.sink.base import Sink
from stages.sources import SourceEnded, VideoInfo
from stages.tracks.log import TrackLog

__all__ = ["SourceSinks"]


class SourceSinks:
    """Opened, used and closed by one thread.

    Attributes:
        tracks: the log of the source's tracks.
    """

    def __init__(self) -> None:
        self.tracks = TrackLog()
        self._sinks: list[Sink] = []

    def open(self, sinks: Callable[[], Iterable[Sink]], info: VideoInfo) -> None:
        """Make and open the sinks. Raises whatever one of them raises, after all were abandoned."""
        try:
            for sink in sinks():
                self._sinks.append(sink)  # before it opens, so that a failure abandons it too
                sink.attach(self.tracks)
                sink.open(info)
        except BaseException:
            self.abandon()
            raise

    def write(self, observation: Observation) -> None:
        """Write a frame, and the tracks that ended before it. Raises as `open`; does nothing after a failure."""
        tracks = self.tracks.add(observation)
        try:
            for sink in self._sinks:
                if tracks:
                    sink.end_tracks(tracks)
                sink.write(observation)
        except BaseException:
            self.abandon()
            raise

    def close(self, ended: SourceEnded) -> None:
        """Make every output visible, in order; each gets the tracks still in view just before. Raises as `write`."""
        tracks = self.tracks.close()
        try:
            for sink in self._sinks:
                if tracks:
                    sink.end_tracks(tracks)
                sink.close(ended)
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Discard what is not visible yet. Never raises."""
        sinks, self._sinks = self._sinks, []
        self.tracks.close()
        for sink in sinks:
            sink.abandon()
