"""A continuous time line for a live stream, whatever its time stamps do.

The stream's stamps are exact about the spacing of frames and wrong without warning: one is 5000 s ahead, all stand
still, an encoder restarts at 0. Arrival is never far off, but uneven. So a stamp is believed while it moves forward
about as fast as frames arrive; a frame whose stamp does not is timed by its arrival, and the line of stamps is kept:
the next stamp that lies on it is believed again. Two such frames in a row whose stamps agree begin a new line.

Invariant: times strictly increase, and differ from arrival by at most `tolerance_seconds` (and a millisecond for each
frame that came less than a millisecond after the one before). A camera whose clock is fast or slow slides along that
bound.
"""

from __future__ import annotations

import math

__all__ = ["BUFFERED_SECONDS", "LiveClock"]

BUFFERED_SECONDS = 2.0
"""How far a network and a camera's own buffers move a frame's arrival."""

MIN_STEP_SECONDS = 1e-3


class LiveClock:
    """The time of one live stream, in seconds from its first frame; used by one thread."""

    def __init__(self, *, tolerance_seconds: float = BUFFERED_SECONDS) -> None:
        self._tolerance_seconds = tolerance_seconds
        self._origin: float | None = None
        self._last = -MIN_STEP_SECONDS
        # The last frame that was believed: its time, its arrival, and its stamp unless it had none.
        self._anchor_seconds = 0.0
        self._anchor_arrival = 0.0
        self._anchor_stamp: float | None = None
        self._spacing_seconds = math.inf
        # The stamp of the frame before, and its arrival, where it was not believed.
        self._odd: tuple[float | None, float] | None = None
        self._begins_line = True

    def __repr__(self) -> str:
        return f"<LiveClock {self._last:.3f} s, {'by stamps' if self._odd is None else 'by arrival'}>"

    def begin_line(self) -> None:
        """Start over: the next frame is the first of another connection, whose time stamps start anew."""
        self._begins_line = True

    def time(self, stamp_seconds: float | None, arrival_seconds: float) -> float:
        """Seconds of the next frame, counted from the arrival of the first.

        Args:
            stamp_seconds: the stream's own, from any origin; None where it is missing or made up.
            arrival_seconds: of a monotonic clock.
        """
        if self._origin is None:
            self._origin = arrival_seconds
        arrival = arrival_seconds - self._origin
        if self._begins_line:
            self._begins_line = False
            self._spacing_seconds = math.inf
            return self._believe(stamp_seconds, arrival, arrival)
        if self._is_believable(stamp_seconds, arrival):
            return self._believe(stamp_seconds, arrival, self._on_line(stamp_seconds))
        seconds = self._anchor_seconds + arrival - self._anchor_arrival
        if self._odd is None:
            # A late frame must not overtake the next one, whose stamp may be right.
            seconds = min(seconds, self._last + self._spacing_seconds)
        elif _moves_along(*self._odd, stamp_seconds, arrival, self._tolerance_seconds):
            return self._believe(stamp_seconds, arrival, seconds)
        self._odd = (stamp_seconds, arrival)
        return self._advance(seconds, arrival)

    def _is_believable(self, stamp: float | None, arrival: float) -> bool:
        return _moves_along(self._anchor_stamp, self._anchor_arrival, stamp, arrival, self._tolerance_seconds)

    def _on_line(self, stamp: float | None) -> float:
        return self._anchor_seconds + (stamp or 0.0) - (self._anchor_stamp or 0.0)

    def _believe(self, stamp: float | None, arrival: float, seconds: float) -> float:
        before = self._last
        advanced = self._advance(seconds, arrival)
        if self._odd is None and before >= 0:
            self._spacing_seconds = advanced - before
        # Where the frame before overtook this one the line stays where it was.
        is_overtaken = seconds <= before and abs(seconds - arrival) <= self._tolerance_seconds
        self._anchor_seconds = seconds if is_overtaken else advanced
        self._anchor_arrival, self._anchor_stamp = arrival, stamp
        self._odd = None
        return advanced

    def _advance(self, seconds: float, arrival: float) -> float:
        tolerance = self._tolerance_seconds
        within = min(max(seconds, arrival - tolerance), arrival + tolerance)
        self._last = max(within, self._last + MIN_STEP_SECONDS)
        return self._last


def _moves_along(
    stamp_before: float | None, arrival_before: float, stamp: float | None, arrival: float, tolerance_seconds: float
) -> bool:
    """Whether a stamp moved forward, by about as much time as passed."""
    if stamp_before is None or stamp is None or stamp <= stamp_before:
        return False
    return abs((stamp - stamp_before) - (arrival - arrival_before)) <= tolerance_seconds
