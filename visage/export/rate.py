"""Frame rates as the fractions that they are, and timecodes counted by them."""

from __future__ import annotations

from fractions import Fraction

__all__ = ["exact_rate", "timecode"]

NTSC_TOLERANCE = 0.002
"""Frames a second. Metadata have three decimals: 23.976 stands for 24000/1001."""


def exact_rate(fps: float) -> Fraction:
    """Return the frames a second that a rounded rate stands for: 23.976 is 24000/1001, 25.0 is 25."""
    whole = round(fps)
    if abs(fps - whole) < NTSC_TOLERANCE:
        return Fraction(whole)
    ntsc = Fraction(round(fps * 1001 / 1000) * 1000, 1001)
    return ntsc if abs(float(ntsc) - fps) < NTSC_TOLERANCE else Fraction(fps).limit_denominator(1000)


def timecode(frame: int, rate: Fraction) -> str:
    """Return the SMPTE 12M timecode of a zero-based frame.

    At 29.97 and 59.94 it drops numbers, as broadcasters do, which the semicolon says: 2 (or 4) at the start of every
    minute but each tenth, so that it agrees with the clock.
    """
    base = round(rate)
    drops = rate.denominator == 1001 and base % 30 == 0  # noqa: PLR2004 - of NTSC
    number = frame
    if drops:
        dropped = base // 15
        minute = 60 * base - dropped
        tens, rest = divmod(frame, 10 * minute + dropped)
        number += 9 * dropped * tens + dropped * max(0, (rest - dropped) // minute)
    seconds, frames = divmod(number, base)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{';' if drops else ':'}{frames:02}"
