"""Which frames a run's decoders deliver, and which of them the detector is to see."""

from __future__ import annotations

from stages.track.looking import LONGEST
from visage.config import Settings

__all__ = ["delivers_all", "look_every"]


def look_every(settings: Settings) -> int:
    """Frames from one look to the next; `auto` looks in between when it has to."""
    return LONGEST if settings.frameskip == "auto" else settings.frameskip


def delivers_all(settings: Settings) -> bool:
    """Whether frames between looks are wanted, to follow faces through them."""
    return settings.track and settings.propagate and settings.frameskip != 1
