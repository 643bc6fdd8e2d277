"""What the numbers of a decoded frame mean: samples, range and matrix, and the way from there to BGR.

Matrices follow ITU-R BT.601, BT.709 and BT.2020 (non-constant luminance); quantisation follows ITU-R BT.2100, table 9.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import IntEnum

import av
import numpy as np
from av.video.reformatter import ColorRange

from stages.frames import FloatArray
from stages.imaging.tones import PLAIN, Tones

__all__ = ["BYTE_BITS", "NV12", "P010", "Encoding", "Matrix", "YuvSamples"]

BYTE_BITS = 8

HD_HEIGHT = 720
"""Untagged video is BT.709 from this height on and BT.601 below, as players take it."""


class Matrix(IntEnum):
    """From YCbCr to RGB. The values are swscale's SWS_CS numbers; PyAV 17.1 has no name for the last."""

    ITU709 = 1
    ITU601 = 5
    SMPTE240M = 7
    BT2020 = 9


# FFmpeg's AVColorSpace numbers (libavutil/pixfmt.h); the two constant-luminance numbers share their matrix's weights.
_MATRICES = {
    1: Matrix.ITU709,
    4: Matrix.ITU601,  # FCC: within 0.3 % of BT.601
    5: Matrix.ITU601,
    6: Matrix.ITU601,
    7: Matrix.SMPTE240M,
    9: Matrix.BT2020,
    10: Matrix.BT2020,
}

# Weights of red and blue in luma.
_WEIGHTS = {
    Matrix.ITU709: (0.2126, 0.0722),
    Matrix.ITU601: (0.299, 0.114),
    Matrix.SMPTE240M: (0.212, 0.087),
    Matrix.BT2020: (0.2627, 0.0593),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """Matrix, range and tones of a frame.

    Attributes:
        matrix: from YCbCr to RGB.
        is_full_range: 8-bit samples span 0 to 255 instead of 16 to 235 (luma) and 16 to 240 (chroma).
        tones: what RGB stands for.
    """

    matrix: Matrix
    is_full_range: bool
    tones: Tones = PLAIN

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Encoding:
        """What the frame is tagged with; the common guess where it is not."""
        untagged = Matrix.ITU709 if frame.height >= HD_HEIGHT else Matrix.ITU601
        is_full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        return cls(_MATRICES.get(frame.colorspace, untagged), is_full_range, Tones.of(frame))

    @property
    def range(self) -> ColorRange:
        """The range as swscale names it: JPEG or MPEG."""
        return ColorRange.JPEG if self.is_full_range else ColorRange.MPEG


@dataclass(frozen=True, slots=True)
class YuvSamples:
    """How 4:2:0 samples lie in memory.

    Attributes:
        bits: significant bits of a sample.
        shift: zero bits below them.
        is_semi_planar: Cb and Cr interleaved in one plane.
    """

    bits: int
    shift: int
    is_semi_planar: bool

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Of one sample in memory."""
        return np.dtype(np.uint8) if self.bits == BYTE_BITS else np.dtype(np.uint16)

    @property
    def sample_bytes(self) -> int:
        """Of one sample in memory."""
        return 1 if self.bits == BYTE_BITS else 2

    def black(self, encoding: Encoding) -> tuple[int, int, int]:
        """Sample values (Y, Cb, Cr) of black."""
        unit = 1 << (self.bits - BYTE_BITS + self.shift)
        return 0 if encoding.is_full_range else 16 * unit, 128 * unit, 128 * unit

    def to_bgr(self, encoding: Encoding) -> FloatArray:
        """float32 (3, 4): maps samples (Y, Cb, Cr, 1) to (B, G, R), each 0-255 before clipping."""
        return _to_bgr(self, encoding)


NV12 = YuvSamples(bits=8, shift=0, is_semi_planar=True)
P010 = YuvSamples(bits=10, shift=6, is_semi_planar=True)


@functools.cache
def _to_bgr(samples: YuvSamples, encoding: Encoding) -> FloatArray:
    kr, kb = _WEIGHTS[encoding.matrix]
    kg = 1 - kr - kb
    # From (Y' 0..1, Pb and Pr -0.5..0.5) to B, G, R.
    mix = np.array(
        [
            [1, 2 * (1 - kb), 0],
            [1, -2 * kb * (1 - kb) / kg, -2 * kr * (1 - kr) / kg],
            [1, 0, 2 * (1 - kr)],
        ]
    )
    step = 1 << (samples.bits - BYTE_BITS)
    top = (1 << samples.bits) - 1
    luma, chroma = (top, top) if encoding.is_full_range else (219 * step, 224 * step)
    scale = 255 * mix / np.array([luma, chroma, chroma]) / (1 << samples.shift)
    offset = -scale @ np.array(samples.black(encoding))
    matrix: FloatArray = np.concatenate([scale, offset[:, None]], axis=1).astype(np.float32)
    return matrix
