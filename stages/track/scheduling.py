"""When to detect again if the user sets no interval: `--frameskip auto`.

A frame is looked at if a face can no longer be followed with confidence, if one has moved or grown so much that its
pose may have changed, if it is in doubt who one is, or if something changed where no followed face is: somebody may
have come in. While a face is out of sight, every `SEARCHING`-th frame is. Between two such looks lie at least
`SHORTEST` frames, which bounds the cost; the decoder asks for a look at every `LONGEST`-th frame
anyway, which bounds the delay. Cuts are looked at at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stages.track.track import Track, TrackState

__all__ = ["LONGEST", "DetectionScheduler"]

LONGEST = 24
"""Frames from one look to the next where all is calm: a second of film."""

SHORTEST = 3
SEARCHING = 8

MIN_CONFIDENCE = 0.6
MAX_TRAVELLED = 0.6
"""Way and growth since the last look, in sides of the face."""
MAX_CHANGE = 24.0
"""Gray levels of 255 by which a block that shows no followed face may change."""


class DetectionScheduler:
    """Decides for one source. Used by one thread."""

    def __init__(self) -> None:
        self._last_look: int | None = None
        self._was_seen: frozenset[int] = frozenset()

    def wants(self, index: int, tracks: Sequence[Track], change: Callable[[Sequence[Track]], float]) -> bool:
        """Return whether the detector should see this frame, to which the tracks were already followed.

        Args:
            index: zero-based, of the frame.
            change: returns how much the picture has changed since the last detection, apart from these tracks:
                `ShotBoundaryDetector.change`.
        """
        if self._last_look is None:
            return True
        if index - self._last_look < SHORTEST:
            return False
        seen = [track for track in tracks if track.state is TrackState.SEEN]
        if any(track.confidence < MIN_CONFIDENCE or track.travelled > MAX_TRAVELLED for track in seen):
            return True
        if not self._was_seen <= {track.track_id for track in seen} or 0 in self._was_seen:
            return True
        if len(seen) < len(tracks) and index - self._last_look >= SEARCHING:
            return True
        return change(seen) > MAX_CHANGE

    def detected(self, index: int, tracks: Sequence[Track]) -> None:
        """Note that the frame with this zero-based index was detected and its tracks are up to date."""
        self._last_look = index
        self._was_seen = frozenset(track.track_id for track in tracks if track.state is TrackState.SEEN)
