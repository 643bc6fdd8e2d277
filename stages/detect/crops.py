"""Detection in parts of pictures: each part is cut out, turned and scaled, and seen by the detector.

The composition of what exists where the pixels are: `Imaging.crop`, a detector's network, its head. The parts of a
call may be of several pictures; they share the network's calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from stages.backends.base import Backend
from stages.buffers import HostStream, Stream
from stages.detect.heads.base import Head
from stages.frames import Faces, FloatArray, Picture
from stages.imaging.base import Imaging
from stages.imaging.letterbox import Letterbox

__all__ = ["CropDetector", "crop_transform", "map_faces", "map_points"]

TensorT = TypeVar("TensorT")

PIXEL_CENTRE = 0.5


class CropDetector(Generic[TensorT]):
    """Detects faces in square crops. For one thread; whoever makes it frees its parts."""

    def __init__(
        self,
        *,
        imaging: Imaging[TensorT],
        backend: Backend[TensorT],
        head: Head[TensorT],
        size: int,
        max_batch: int | None = None,
        stream: Stream | None = None,
    ) -> None:
        """
        Args:
            size: side of a crop, and of the network's input, in pixels.
            max_batch: crops that a call takes; the network's by default.
            stream: where device work is queued; the host's by default.
        """
        self.size = size
        self._imaging = imaging
        self._backend = backend
        self._head = head
        self._max_batch = max_batch or backend.max_batch
        self._stream = stream or HostStream()

    def detect(self, parts: Sequence[tuple[Picture, FloatArray]]) -> list[Faces]:
        """The faces of every part, in pixels of its crop; `map_points` and `map_faces` take them to the picture.

        Args:
            parts: pictures with float32 (2, 3), see `Imaging.crop`.
        """
        most = self._max_batch
        return [faces for start in range(0, len(parts), most) for faces in self._detect(parts[start : start + most])]

    def _detect(self, chunk: Sequence[tuple[Picture, FloatArray]]) -> list[Faces]:
        crops = self._imaging.crop(
            [picture for picture, _ in chunk],
            [transform[None] for _, transform in chunk],
            self.size,
            stream=self._stream,
        )
        outputs = self._backend.infer(crops, stream=self._stream)
        whole = Letterbox(1.0, 1.0, 0, 0, self.size, self.size)
        return self._head.decode(outputs, [whole] * len(chunk), (self.size, self.size), stream=self._stream)


def crop_transform(
    middle: tuple[float, float], scale: float, down_degrees: float, size: int, *, pixel_aspect: float = 1.0
) -> FloatArray:
    """A crop, as `Imaging.crop` takes it: float32 (2, 3).

    Args:
        middle: of the crop, in pixels of the source frame.
        scale: display pixels of the source (as high as its own) that a pixel of the crop covers.
        down_degrees: the direction in the source that points down in the crop; 0 is down, 90 to the left.
        size: side of the crop in pixels.
        pixel_aspect: width of a source pixel over its height.
    """
    cos, sin = scale * math.cos(math.radians(down_degrees)), scale * math.sin(math.radians(down_degrees))
    linear = np.array([[cos, -sin], [sin, cos]])
    # From indices of pixels to corners and back, in the crop and in the picture.
    shift = np.array([middle[0] * pixel_aspect, middle[1]]) - linear @ np.full(2, (size - 1) / 2)
    transform = np.column_stack([linear, shift])
    transform[0] /= pixel_aspect
    transform[:, 2] -= PIXEL_CENTRE
    return np.asarray(transform, np.float32)


def map_points(points: FloatArray, transform: FloatArray) -> FloatArray:
    """Map points of a crop, float32 (..., 2), to its picture by float32 (2, 3), as `Imaging.crop` takes it.

    Points are measured from the outer corner of the first pixel, as boxes and landmarks are; the transform is of pixel
    indices.
    """
    mapped = (points - PIXEL_CENTRE) @ transform[:, :2].T + transform[:, 2] + np.float32(PIXEL_CENTRE)
    return np.asarray(mapped, np.float32)


def map_faces(faces: Faces, transform: FloatArray) -> Faces:
    """Map faces of a crop to its picture by float32 (2, 3).

    Where the crop is turned, a box is the upright rectangle around the turned one; landmarks keep the face's own order.
    """
    if not len(faces):
        return faces
    left, top, right, bottom = faces.boxes_xyxy.T
    corners = map_points(np.stack([left, top, right, top, right, bottom, left, bottom], 1).reshape(-1, 4, 2), transform)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    landmarks = None if faces.landmarks is None else map_points(faces.landmarks, transform)
    return replace(faces, boxes_xyxy=boxes, landmarks=landmarks)
