"""How faces are covered: what a command line and a plan can say without loading what does it."""

from __future__ import annotations

from enum import Enum

__all__ = ["MARGIN", "Method", "Shape"]

MARGIN = 0.3
"""Of a box's width and height, added at each side: a detector's box ends at brows and chin, and of a face that
is half hidden two detectors see different parts (0.25 left 6% of one box open, in 48 clips)."""


class Method(str, Enum):
    """What a region becomes: its mean colours, smoothly or in blocks, or black."""

    BLUR = "blur"
    MOSAIC = "mosaic"
    FILL = "fill"


class Shape(str, Enum):
    """The outline of a region: the box, or the ellipse around it."""

    BOX = "box"
    ELLIPSE = "ellipse"
