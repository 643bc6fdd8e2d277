"""The border to PyAV: what its versions 17 to 19 name or give differently is made the same here.

PyAV 18 and older give rates and time bases as `fractions.Fraction`, or None where FFmpeg knows none; 19 gives an
`AVRational`, which has neither `as_integer_ratio` nor rounding and is zero, or has a denominator of zero, where FFmpeg
knows none. Titles that are no UTF-8 raise in 18 and older unless `av.open` is asked to replace their bytes; 19 keeps
the bytes and has no such argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Protocol

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

__all__ = ["Ratio", "as_fraction", "open_input", "reads_format"]

VERSION_WITHOUT_METADATA_ERRORS = 19

# Titles from before UTF-8 are no reason to refuse a film.
_LENIENT: dict[str, Any] = (
    {} if int(av.__version__.partition(".")[0]) >= VERSION_WITHOUT_METADATA_ERRORS else {"metadata_errors": "replace"}
)


class Ratio(Protocol):
    """The part that rates, time bases and aspect ratios share in all versions of PyAV."""

    @property
    def numerator(self) -> int:
        """The numerator, which carries the sign."""

    @property
    def denominator(self) -> int:
        """Zero only in PyAV 19, where FFmpeg's is."""


def as_fraction(ratio: Ratio | None) -> Fraction | None:
    """A rate, time base or aspect ratio of PyAV's; None where FFmpeg knows none."""
    if ratio is None or not ratio.numerator or not ratio.denominator:
        return None
    return Fraction(ratio.numerator, ratio.denominator)


def open_input(
    address: str,
    *,
    container_format: str | None,
    hwaccel: HWAccel | None,
    options: Mapping[str, str],
    timeout_seconds: float | None,
) -> InputContainer:
    """Open an address for reading, with a time-out for opening and for each reading.

    Raises:
        av.error.FFmpegError
    """
    timeout = None if timeout_seconds is None else (timeout_seconds, timeout_seconds)
    container: InputContainer = av.open(
        address, format=container_format, hwaccel=hwaccel, options=dict(options), timeout=timeout, **_LENIENT
    )
    return container


def reads_format(name: str) -> bool:
    """Whether this FFmpeg reads a container, by its name; PyAV's wheels leave some out, DASH for example."""
    try:
        return av.ContainerFormat(name, "r").is_input
    except ValueError:
        return False
