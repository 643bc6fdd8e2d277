"""Picture arithmetic on the CPU, with OpenCV, straight from the decoder's YUV planes.

Only the samples under a face are read and converted, whatever the frame's size; nothing works pixel by pixel in Python.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from cv2.typing import MatLike
from numpy.typing import NDArray

from stages.buffers import Stream
from stages.frames import FloatArray, Picture
from stages.imaging.base import MAX_SAMPLES
from stages.imaging.host.picture import HostPicture
from stages.imaging.host.planes import Plane, merge_to_bgr, packed_bgr
from stages.imaging.letterbox import shrunk

__all__ = ["HostImaging"]


class HostImaging:
    """Implements `stages.imaging.base.Imaging` for pictures in host memory. One instance a thread."""

    def __init__(self, *, max_batch: int) -> None:
        """
        Args:
            max_batch: pictures or crops that the workspace has room for; a larger request makes it grow for good.
        """
        self._max_batch = max_batch
        self._workspaces: dict[tuple[int, int], NDArray[np.uint8]] = {}

    def letterbox(self, pictures: Sequence[Picture], *, stream: Stream) -> NDArray[np.uint8]:
        """The inputs that were made when the pictures were admitted. See `Imaging.letterbox`."""
        inputs = [HostPicture.of(picture).detector_input for picture in pictures]
        height, width = inputs[0].shape[:2]
        return np.stack(inputs, out=self._workspace(len(inputs), height, width))

    def crop(
        self, pictures: Sequence[Picture], transforms: Sequence[FloatArray], size: int, *, stream: Stream
    ) -> NDArray[np.uint8]:
        """Crops from the decoder's planes. See `Imaging.crop`."""
        crops = self._workspace(sum(map(len, transforms)), size, size)
        row = 0
        for picture, picture_transforms in zip(pictures, transforms, strict=True):
            if len(picture_transforms) == 0:
                continue
            cutter = _Cutter(HostPicture.of(picture), size)
            for transform in picture_transforms:
                cutter.cut(transform, crops[row])
                row += 1
        return crops

    def to_bgr(self, picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        """Return the upright picture as uint8 (H, W, 3), BGR; see `Imaging.to_bgr`."""
        host = HostPicture.of(picture)
        coded = packed_bgr(VideoReformatter(), host.frame, host.encoding)
        upright = np.ascontiguousarray(np.rot90(coded, -(host.orientation.rotation_degrees // 90)))
        if max_width is None:
            return upright
        box = shrunk(host.width, host.height, host.pixel_aspect, max_width)
        small = np.empty((box.content_height, box.content_width, 3), np.uint8)
        cv2.resize(upright, (box.content_width, box.content_height), dst=small, interpolation=cv2.INTER_AREA)
        return small

    def _workspace(self, count: int, height: int, width: int) -> NDArray[np.uint8]:
        rows = self._workspaces.get((height, width))
        if rows is None or len(rows) < count:
            rows = np.empty((max(count, self._max_batch), height, width, 3), np.uint8)
            self._workspaces[height, width] = rows
        return rows[:count]


class _Cutter:
    """Cuts crops out of one picture."""

    def __init__(self, picture: HostPicture, size: int) -> None:
        frame, self._yuv = picture.frame, picture.yuv
        self._size = size
        self._planes = picture.planes()
        self._to_coded = _square(picture.orientation.to_coded(frame.width, frame.height))
        self._encoding = picture.encoding

    def cut(self, transform: FloatArray, crop: NDArray[np.uint8]) -> None:
        """Write one crop, uint8 (size, size, 3)."""
        source_pixels = np.sqrt(abs(np.linalg.det(transform[:, :2].astype(np.float64))))
        samples = int(np.clip(round(source_pixels), 1, MAX_SAMPLES))
        to_coded = self._to_coded @ _square(transform)
        channels = [self._sample(plane, to_coded, samples) for plane in self._planes]
        if self._yuv is None:
            np.copyto(crop, channels[0])
        else:
            merge_to_bgr(channels, self._yuv, self._encoding, crop)

    def _sample(self, plane: Plane, to_coded: NDArray[np.float64], samples: int) -> MatLike:
        """The plane under the crop, (size, size) or (size, size, channels): means of samples x samples each."""
        if plane.is_chroma:  # half the resolution: half the samples see as much
            samples = (samples + 1) // 2
        # Sample i of a crop pixel's n lies at (i + 0.5) / n - 0.5 crop pixels from its centre.
        shift = 0.5 / samples - 0.5
        to_crop = np.array([[1 / samples, 0, shift], [0, 1 / samples, shift], [0, 0, 1]])
        to_plane = np.array([[plane.scale_x, 0, plane.shift_x], [0, plane.scale_y, plane.shift_y]])
        side = self._size * samples
        warped = cv2.warpAffine(
            plane.samples,
            to_plane @ to_coded @ to_crop,
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=plane.black,
        )
        if samples == 1:
            return warped
        return cv2.resize(warped, (self._size, self._size), interpolation=cv2.INTER_AREA)


def _square(affine: NDArray[np.floating]) -> NDArray[np.float64]:
    """A 2 x 3 transform as 3 x 3, so that transforms can be multiplied."""
    return np.vstack([affine, [0.0, 0.0, 1.0]])
