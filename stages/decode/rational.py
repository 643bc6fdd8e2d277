"""PyAV's rates and time bases as Python's fractions: one type inside, whichever version reads the file.

Up to 18 PyAV hands out `fractions.Fraction`, from 19 on `av.AVRational`, which has neither `as_integer_ratio` nor
`limit_denominator`, cannot be rounded, and is 0/1 where a value is unknown (it was None before).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

__all__ = ["HasRatio", "as_fraction"]


class HasRatio(Protocol):
    """A `Fraction` or an `av.AVRational`."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


def as_fraction(value: HasRatio | None) -> Fraction | None:
    """Return the value as a fraction, or None where PyAV does not know it (None, 0/1, 0/0, or n/0)."""
    if value is None or not value.numerator or not value.denominator:
        return None
    return Fraction(value.numerator, value.denominator)
