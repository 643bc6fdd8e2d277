"""Times of decoded frames, which never go backwards: from a file's time stamps, or the arrival of a live frame."""

from __future__ import annotations

import time
from collections import deque
from fractions import Fraction

import av

from stages.decode.demux import GUESSED_FPS, SEGMENTED_FORMATS, Demuxer
from stages.decode.live_clock import BUFFERED_SECONDS, LiveClock
from stages.decode.numbering import VideoPacket

__all__ = ["FrameTimes"]

SEGMENTED_SECONDS = 60.0
"""How far frames that arrive by whole segments may be from their arrival."""

UNTIMED_FORMATS = {"mpjpeg"}
"""Pictures one after another, sent when they are taken: FFmpeg makes their time stamps up, 25 a second."""


class FrameTimes:
    """Of one pass over a source. `last_seconds`: of the last frame; None before the first."""

    def __init__(self, demuxer: Demuxer, *, is_live: bool) -> None:
        self.last_seconds: float | None = None
        self._demuxer = demuxer
        name = demuxer.container.format.name
        self._has_times = name != "avi"
        self._start_pts = None if is_live else demuxer.origin_pts
        # The frames' own is lost when draining. As integers: Fractions took 4.6 of a frame's 15.7 us here.
        self._ticks, self._ticks_a_second = (demuxer.time_base or Fraction(1, av.time_base)).as_integer_ratio()
        self._dts: deque[int | None] = deque()  # AVI's, of packets whose pictures are to come
        self._is_timed = name not in UNTIMED_FORMATS
        self._live_clock: LiveClock | None = None
        if is_live or (demuxer.is_remote and not self._is_timed):
            self._live_clock = LiveClock(
                tolerance_seconds=SEGMENTED_SECONDS if name in SEGMENTED_FORMATS else BUFFERED_SECONDS
            )

    def of_packet(self, packet: VideoPacket) -> float:
        """Return the time, in seconds, of the picture in a packet, from its time stamp."""
        return self._seconds((packet.pts or 0) - (self._start_pts or 0))

    def note_packet(self, packet: VideoPacket) -> None:
        """Call before each packet is decoded."""
        if not self._has_times:
            self._dts.append(packet.dts)

    def forget_packet(self) -> None:
        """Call where the last packet could not be decoded."""
        if self._dts:
            self._dts.pop()

    def of_frame(self, frame: av.VideoFrame) -> float:
        """Return the time of the next frame in seconds.

        It is one frame after the last if its time stamp is missing or goes backwards.
        """
        self.last_seconds = self._next(frame)
        return self.last_seconds

    def _next(self, frame: av.VideoFrame) -> float:
        pts = frame.pts
        if not self._has_times:  # pictures leave in order, one a packet
            pts = self._dts.popleft() if self._dts else None
        if self._live_clock is not None:
            stamp = self._seconds(pts) if pts is not None and self._is_timed else None
            return self._live_clock.time(stamp, time.monotonic())
        if pts is not None:
            if self._start_pts is None or (self.last_seconds is None and pts < self._start_pts):
                self._start_pts = pts
            seconds = self._seconds(pts - self._start_pts)
            if self.last_seconds is None or seconds > self.last_seconds:
                return seconds
        if self.last_seconds is None:
            return 0.0
        return self.last_seconds + 1 / (self._demuxer.fps or GUESSED_FPS)

    def _seconds(self, pts: int) -> float:
        return pts * self._ticks / self._ticks_a_second
