"""What tracking reads of a picture: small gray patches around faces, and a thumbnail of the whole.

The seam between tracking and where pixels are: everything after it is the same for every device. `HostPatchReader` of
`stages.imaging.host.patches` reads host memory, `DevicePatchReader` of `stages.imaging.device.patches` a card's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray, Picture

__all__ = ["FACE_SIDE", "PATCH_SIDE", "THUMBNAIL_SIZE", "Gray", "PatchReader", "PatchWindow", "thumbnail_stride"]

Gray = NDArray[np.uint8]

PATCH_SIDE = 128
"""Pixels of a patch's side, whatever the face's size: flow then costs the same for every face."""

FACE_SIDE = 64
"""Patch pixels of the face's longer side; the rest is room to move: a third of a face in each direction a frame."""

THUMBNAIL_SIZE = (64, 36)
"""Width and height of a thumbnail: enough to tell shots apart, little enough to compare every frame."""


@dataclass(frozen=True, slots=True)
class PatchWindow:
    """The part of the upright frame that a patch shows: x = left + column * step_x for a corner, y likewise.

    Pixels of a patch are square as seen, so `step_x` and `step_y` differ where the frame's are not.
    """

    left: float
    top: float
    step_x: float
    step_y: float

    @classmethod
    def around(cls, box_xyxy: FloatArray, pixel_aspect: float) -> PatchWindow:
        """Return the window centred on a box, float32 (4,), in pixels of the upright frame."""
        x1, y1, x2, y2 = box_xyxy.tolist()
        step_y = max((x2 - x1) * pixel_aspect, y2 - y1, 1.0) / FACE_SIDE
        step_x = step_y / pixel_aspect
        return cls((x1 + x2 - PATCH_SIDE * step_x) / 2, (y1 + y2 - PATCH_SIDE * step_y) / 2, step_x, step_y)

    def to_patch(self, points: FloatArray) -> FloatArray:
        """float32 (..., 2), from frame to patch."""
        return np.asarray((points - (self.left, self.top)) / (self.step_x, self.step_y), np.float32)

    def to_frame(self, points: FloatArray) -> FloatArray:
        """float32 (..., 2), from patch to frame."""
        return np.asarray(points * (self.step_x, self.step_y) + (self.left, self.top), np.float32)

    def holds(self, box_xyxy: FloatArray) -> bool:
        """Return whether a box, float32 (4,), is still near the middle and about as large as at first."""
        x1, y1, x2, y2 = box_xyxy.tolist()
        side = max((x2 - x1) / self.step_x, (y2 - y1) / self.step_y)
        off_x = ((x1 + x2) / 2 - self.left) / self.step_x - PATCH_SIDE / 2
        off_y = ((y1 + y2) / 2 - self.top) / self.step_y - PATCH_SIDE / 2
        is_central = max(abs(off_x), abs(off_y)) <= FACE_SIDE / 8
        return bool(is_central and FACE_SIDE / 1.15 <= side <= FACE_SIDE * 1.15)


class PatchReader(Protocol):
    """Reads the luma of pictures in one kind of memory. Pictures in another kind raise TypeError.

    For one thread. A card is waited for once a call, so what is known together is asked for together.
    """

    def patches(self, pictures: Sequence[Picture], windows: Sequence[Sequence[PatchWindow]]) -> list[list[Gray]]:
        """For each picture what its windows show, each as uint8 (PATCH_SIDE, PATCH_SIDE), the caller's to keep.

        Averaged where a window shrinks; outside the picture lies its stored black, 16 for limited range.
        """

    def thumbnails(self, pictures: Sequence[Picture]) -> list[Gray]:
        """Each upright picture as uint8 (36, 64), averaged; the caller's to keep."""

    def close(self) -> None:
        """Free what it holds, on the thread that used it. Safe to call twice."""


def thumbnail_stride(width: int, height: int) -> int:
    """Return the distance, in pixels, between the samples of a plane that make its thumbnail, across and down.

    Every fourth of a large picture says as much about a shot as all of them, for a tenth of the time.
    """
    return max(1, min(width, height) // (4 * THUMBNAIL_SIZE[1]))
