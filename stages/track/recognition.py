"""Which lost track a newly visible face belongs to, by appearance, since its place is not known.

Behind a post two people may turn round or pass, so the place alone never decides; it only says who may be it. Somebody
half hidden looks like nobody yet. So a face is recognised if it resembles one lost track, and no other one nearly as
much; otherwise it stays in doubt (`stages.track.track`) and is asked for again at the next looks. Better a new number
than another person's.
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.frames import FloatArray
from stages.track.appearance import Appearance, resemblance
from stages.track.association import is_to_be_recognised, is_within_reach
from stages.track.track import SAME_RESEMBLANCE, Track

__all__ = ["candidates", "recognise"]

CONTESTED_RESEMBLANCE = 0.55
"""Needed where several may be it: half hidden, a face correlates with another person's by as much as 0.5."""

MARGIN = 0.15
"""By which it then has to surpass the next best one."""


def candidates(tracks: Sequence[Track], box_xyxy: FloatArray, seconds: float) -> list[Track]:
    """The lost tracks that may have come to this box, float32 (4,)."""
    return [
        track
        for track in tracks
        if is_to_be_recognised(track, seconds)
        and is_within_reach(track.expected_xyxy(seconds), box_xyxy, seconds - track.seen_seconds)
    ]


def recognise(lost: Sequence[Track], appearance: Appearance | None) -> Track | None:
    """Return the track that looks like this, or None if it is not beyond doubt which."""
    if not lost:
        return None
    resemblances = [resemblance(track.settled_appearance, appearance) or 0.0 for track in lost]
    best, *others = sorted(resemblances, reverse=True)
    needed = CONTESTED_RESEMBLANCE if others else SAME_RESEMBLANCE
    is_clear = not others or best - others[0] >= MARGIN
    return lost[resemblances.index(best)] if best >= needed and is_clear else None
