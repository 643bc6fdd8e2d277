"""How a patch is cut out of a luma plane: said once, for the host and for a card, so that both show the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from stages.imaging.patches import PATCH_SIDE, PatchWindow

__all__ = ["Cut"]


class Cut(NamedTuple):
    """The region of a plane that a window needs is shrunk by a whole factor, then sampled bilinearly.

    Attributes:
        left, top: the region's first column and row in the plane.
        columns, rows: of the shrunken region; less than 1 where the window lies wholly outside.
        factor: samples of the plane along each side of a shrunken sample, which is their mean.
        across, down: (column, row, 1) of the patch to x and to y of the shrunken region, as pixel indices.
    """

    left: int
    top: int
    columns: int
    rows: int
    factor: int
    across: tuple[float, float, float]
    down: tuple[float, float, float]

    @classmethod
    def of(cls, window: PatchWindow, to_plane: Sequence[Sequence[float]], width: int, height: int) -> Cut:
        """In plain numbers: arrays of six cost more than the sampling.

        Args:
            to_plane: (2, 3), from the upright picture to the plane, both as pixel indices.
            width, height: of the plane.
        """
        step_x, step_y = window.step_x, window.step_y
        x, y = window.left + step_x / 2 - 0.5, window.top + step_y / 2 - 0.5
        # (column, row) of the patch to pixel indices of the plane.
        (a, b, c), (d, e, f) = (
            (row[0] * step_x, row[1] * step_y, row[0] * x + row[1] * y + row[2]) for row in to_plane
        )
        factor = max(1, int(min(abs(a) + abs(b), abs(d) + abs(e))))
        left, right = _span(c, a, b, 2 * factor, width)
        top, bottom = _span(f, d, e, 2 * factor, height)
        # The middle of a shrunken sample's pixels: index i there is (i + 0.5) * factor - 0.5 here.
        return cls(
            left,
            top,
            (right - left) // factor,
            (bottom - top) // factor,
            factor,
            (a / factor, b / factor, (c + 0.5 - left) / factor - 0.5),
            (d / factor, e / factor, (f + 0.5 - top) / factor - 0.5),
        )


def _span(start: float, along: float, across: float, margin: int, limit: int) -> tuple[int, int]:
    """First and last index that a patch needs in one direction, within the plane."""
    ends = (along * PATCH_SIDE, across * PATCH_SIDE)
    first = math.floor(start + sum(min(0.0, end) for end in ends)) - margin
    last = math.ceil(start + sum(max(0.0, end) for end in ends)) + margin
    return min(max(first, 0), limit), min(max(last, 0), limit)
