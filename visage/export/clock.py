"""Frames, seconds and timecode of a film, exactly: NTSC's rates are fractions, not decimals."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["FrameClock", "exact_rate"]

ROUNDING = 0.0006
"""Metadata has the rate to thousandths."""
DROP_FRAME_RATES = (Fraction(30000, 1001), Fraction(60000, 1001))
MINUTES_WITHOUT_DROP = 10


@dataclass(frozen=True, slots=True)
class FrameClock:
    """Counts the frames of one film.

    Attributes:
        rate: frames a second; of a film with a variable rate its average.
    """

    rate: Fraction

    @property
    def nominal(self) -> int:
        """Frames that timecode counts in a second: 24 at 23.976."""
        return round(self.rate)

    @property
    def is_drop_frame(self) -> bool:
        """Whether timecode leaves out numbers to stay in step with the clock (SMPTE ST 12-1): 29.97 and 59.94."""
        return self.rate in DROP_FRAME_RATES

    def seconds(self, frame: int) -> Fraction:
        """When the frame begins, in seconds from the film's start."""
        return frame / self.rate

    def frame(self, seconds: float | Fraction) -> int:
        """Return the frame whose beginning is nearest to the time."""
        return round(Fraction(seconds) * self.rate)

    def timecode(self, frame: int) -> str:
        """Return HH:MM:SS:FF, with a semicolon before the frames where numbers are dropped."""
        number, separator = frame, ":"
        if self.is_drop_frame:
            dropped, separator = self.nominal // 15, ";"
            minute = self.nominal * 60 - dropped
            block = minute * MINUTES_WITHOUT_DROP + dropped
            blocks, rest = divmod(frame, block)
            number += dropped * (MINUTES_WITHOUT_DROP - 1) * blocks
            number += dropped * max(0, (rest - dropped) // minute)
        seconds, frames = divmod(number, self.nominal)
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{separator}{frames:02}"


def exact_rate(fps: float) -> Fraction:
    """Return the rate that thousandths stand for: 24000/1001 for 23.976. `fps` is above 0."""
    whole = max(1, round(fps))
    for rate in (Fraction(whole), Fraction(whole * 1000, 1001)):
        if abs(float(rate) - fps) < ROUNDING:
            return rate
    return Fraction(fps).limit_denominator(1001)
