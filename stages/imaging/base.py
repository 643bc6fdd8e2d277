"""Picture arithmetic, done where the pixels are: in host memory or on a card.

Two things are asked of a frame's pixels: the whole picture small, for the detector, and small crops upright and
aligned, for the embedder. Nothing else ever turns a frame into full-size RGB, except to show it to a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.buffers import Stream
from stages.frames import FloatArray, Picture

__all__ = ["MAX_SAMPLES", "Imaging"]

MAX_SAMPLES = 8
"""Samples that an output pixel takes on each axis at most; beyond, they leave gaps between them."""

TensorT_co = TypeVar("TensorT_co", covariant=True)


class Imaging(Protocol[TensorT_co]):
    """Makes network inputs, uint8 (N, H, W, 3), from pictures. One per thread: it owns the tensors it returns.

    Pictures of another kind of memory than its own are refused with TypeError.
    """

    def letterbox(self, pictures: Sequence[Picture], *, stream: Stream) -> TensorT_co:
        """The pictures, letterboxed as `DetectorInput.fit` says; all must have the same `DetectorInput.shape`.

        Returns uint8 (N, H, W, 3), BGR, valid until the next call.
        """

    def crop(
        self, pictures: Sequence[Picture], transforms: Sequence[FloatArray], size: int, *, stream: Stream
    ) -> TensorT_co:
        """Square crops of every picture.

        Args:
            pictures: P pictures.
            transforms: for each picture float32 (n, 2, 3): maps crop pixel (column, row, 1) to (x, y) of the upright
                source frame, both as pixel indices (centre of the first pixel is (0, 0)). Where a crop pixel covers
                k x k source pixels, k > 1, the mean of round(k) x round(k) bilinear samples is taken, at most
                `MAX_SAMPLES` each way. Outside the picture is black.
            size: crop side in pixels.

        Returns uint8 (sum of n, size, size, 3), BGR, in the pictures' order, valid until the next call.
        """

    def to_bgr(self, picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        """The upright picture in host memory, for people's eyes; slow.

        Args:
            max_width: None gives every pixel as it is. A number gives square pixels and at most so many columns, each
                pixel the mean of what it covers; no more bytes than that leave a card.

        Returns uint8 (H, W, 3), BGR, the caller's own.
        """
