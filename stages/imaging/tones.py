"""Film in high dynamic range, or in the wide colours of BT.2020, as the pictures that networks were trained on.

PQ (SMPTE ST 2084) and HLG, both as ITU-R BT.2100 has them, are taken to light, brought to the primaries of BT.709, and
shown on a display of BT.1886: light up to a knee stays what it is, brighter light is rolled off towards white. The
curve is the same for every frame, so that a face does not change its looks with what is beside it.
`stages/kernels/tones.cuh` does the same on a card.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import IntEnum

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray

__all__ = ["PLAIN", "TOP", "Tones", "Transfer"]

WHITE_NITS = 203.0
"""Light of a white page in both systems (ITU-R BT.2408, 3.1)."""

PEAK_NITS = 10_000.0
"""Light of PQ's largest number."""

HLG_PEAK_NITS, HLG_GAMMA = 1000.0, 1.2
HLG_ROOTS_TO = 0.5
"""The display that BT.2100 has HLG shown on."""

DISPLAY_GAMMA = 2.4
"""ITU-R BT.1886."""

KNEE = 0.6
"""Of white, from where light is rolled off: skin lies below."""

MAX_LIGHT = 8.0
"""Of white; what is brighter is white to within a code."""

TOP = 1023
SHADES = 4096

# BT.2020's primaries to BT.709's, of linear light in the order B, G, R (ITU-R BT.2087, M2).
_TO_BT709 = np.array(
    [[1.1187, -0.1006, -0.0182], [-0.0083, 1.1329, -0.1246], [-0.0728, -0.5876, 1.6605]],
    np.float32,
)

_LUMINANCE = np.array([[0.0593, 0.6780, 0.2627]], np.float32)
"""Shares of B, G and R in BT.2020's luminance."""

# FFmpeg's numbers (libavutil/pixfmt.h).
_BT2020_PRIMARIES = 9
_PQ, _HLG = 16, 18


class Transfer(IntEnum):
    """What numbers stand for. The values are the kernels' (`tones.cuh`)."""

    GAMMA = 0
    PQ = 1
    HLG = 2


@dataclass(frozen=True, slots=True)
class Tones:
    """Transfer and primaries of a frame.

    Attributes:
        transfer: from its numbers to light.
        is_wide: its primaries are BT.2020's; all others count as BT.709's.
    """

    transfer: Transfer = Transfer.GAMMA
    is_wide: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Tones:
        """What the frame is tagged with. PQ and HLG exist with BT.2020's primaries only: a missing tag means those."""
        transfer = {_PQ: Transfer.PQ, _HLG: Transfer.HLG}.get(int(frame.color_trc), Transfer.GAMMA)
        primaries = int(frame.color_primaries)
        is_untagged_hdr = transfer is not Transfer.GAMMA and primaries in _UNSPECIFIED
        return cls(transfer, primaries == _BT2020_PRIMARIES or is_untagged_hdr)

    @property
    def is_plain(self) -> bool:
        """Whether the pictures are what networks expect, as they are."""
        return self.transfer is Transfer.GAMMA and not self.is_wide

    @property
    def code(self) -> int:
        """The kernels' number: the transfer, and 4 where the primaries are wide."""
        return int(self.transfer) | 4 * self.is_wide

    def map(self, numbers: NDArray[np.uint16], out: NDArray[np.uint8]) -> None:
        """Show a picture of the frame's own tones.

        Args:
            numbers: (h, w, 3), BGR, 0 to `TOP`: of eight bits PQ would leave 148 for all up to white.
            out: uint8 (h, w, 3), BGR of BT.709.
        """
        light = np.take(_light(self.transfer), numbers, mode="clip")
        if self.transfer is Transfer.HLG:  # the system gamma: of luminance, so that colours keep their hue
            luminance = np.clip(cv2.transform(light, _LUMINANCE), 0, 1)
            light *= np.take(_system_gain(), np.rint(cv2.sqrt(luminance) * (SHADES - 1)).astype(np.uint16))[..., None]
        if self.is_wide:
            light = np.asarray(cv2.transform(light, _TO_BT709), np.float32)
        np.clip(light, 0, MAX_LIGHT, out=light)
        light *= (SHADES - 1) ** 2 / MAX_LIGHT
        shades = np.rint(cv2.sqrt(light)).astype(np.uint16)
        np.take(_shown(is_rolled_off=self.transfer is not Transfer.GAMMA), shades, out=out, mode="clip")


PLAIN = Tones()
"""BT.709 with a display's gamma, as most film is."""

_UNSPECIFIED = (0, 2)


@functools.cache
def _light(transfer: Transfer) -> FloatArray:
    """float32 (TOP + 1,): light of each number, 1 for white; of HLG the scene's, 1 for its brightest."""
    numbers = np.arange(TOP + 1) / TOP
    if transfer is Transfer.PQ:
        root = numbers ** (1 / 78.84375)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        light *= PEAK_NITS / WHITE_NITS
    elif transfer is Transfer.HLG:
        light = np.where(
            numbers <= HLG_ROOTS_TO, numbers**2 / 3, (np.exp((numbers - 0.55991073) / 0.17883277) + 0.28466892) / 12
        )
    else:
        light = numbers**DISPLAY_GAMMA
    shades: FloatArray = light.astype(np.float32)
    return shades


@functools.cache
def _system_gain() -> FloatArray:
    """float32 (SHADES,): what HLG's light is multiplied with for a luminance of (i / (SHADES - 1))^2."""
    luminance = (np.arange(SHADES) / (SHADES - 1)) ** 2
    gain: FloatArray = (luminance ** (HLG_GAMMA - 1) * (HLG_PEAK_NITS / WHITE_NITS)).astype(np.float32)
    return gain


@functools.cache
def _shown(*, is_rolled_off: bool) -> NDArray[np.uint8]:
    """uint8 (SHADES,): the number that is shown for light; index i stands for MAX_LIGHT * (i / (SHADES - 1))^2."""
    light = MAX_LIGHT * (np.arange(SHADES) / (SHADES - 1)) ** 2
    if is_rolled_off:
        rolled = 1 - (1 - KNEE) * np.exp((KNEE - light) / (1 - KNEE))
        light = np.where(light <= KNEE, light, rolled)
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / DISPLAY_GAMMA)).astype(np.uint8)
