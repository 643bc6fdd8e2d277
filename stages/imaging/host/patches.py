"""PatchReader patches and thumbnails from the decoder's planes, with OpenCV. Only what is shown is read."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from cv2.typing import MatLike

from stages.frames import Picture
from stages.imaging.cut import Cut
from stages.imaging.host.picture import HostPicture
from stages.imaging.host.planes import TURNS, Plane, luma_plane
from stages.imaging.patches import PATCH_SIDE, THUMBNAIL_SIZE, Gray, PatchWindow, thumbnail_stride

__all__ = ["HostPatchReader"]


class HostPatchReader:
    """Implements `stages.imaging.patches.PatchReader` for pictures in host memory; others raise TypeError."""

    def patches(self, pictures: Sequence[Picture], windows: Sequence[Sequence[PatchWindow]]) -> list[list[Gray]]:
        """Return uint8 (PATCH_SIDE, PATCH_SIDE) patches; see `PatchReader.patches`."""
        return [_patches(HostPicture.of(picture), some) for picture, some in zip(pictures, windows, strict=True)]

    def thumbnails(self, pictures: Sequence[Picture]) -> list[Gray]:
        """Return uint8 (36, 64) thumbnails; see `PatchReader.thumbnails`."""
        return [_thumbnail(HostPicture.of(picture)) for picture in pictures]

    def close(self) -> None:
        """Do nothing: no memory is held."""


def _patches(host: HostPicture, windows: Sequence[PatchWindow]) -> list[Gray]:
    if not windows:
        return []
    plane = _luma(host)
    to_plane = host.orientation.to_coded(host.frame.width, host.frame.height)
    to_plane *= np.array([[plane.scale_x], [plane.scale_y]])
    to_plane[:, 2] += (plane.shift_x, plane.shift_y)
    rows = to_plane.tolist()
    height, width = plane.samples.shape[:2]
    return [_bytes(_sampled(plane, Cut.of(window, rows, width, height)), host) for window in windows]


def _sampled(plane: Plane, cut: Cut) -> MatLike:
    left, top, columns, rows, factor, across, down = cut
    if columns < 1 or rows < 1:  # wholly outside
        return np.full((PATCH_SIDE, PATCH_SIDE), plane.black[0], plane.samples.dtype)
    region: MatLike = plane.samples[top : top + rows * factor, left : left + columns * factor]
    if factor > 1:
        region = cv2.resize(region, (columns, rows), interpolation=cv2.INTER_AREA)
    return cv2.warpAffine(
        region,
        np.array((across, down)),
        (PATCH_SIDE, PATCH_SIDE),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=plane.black[0],
    )


def _thumbnail(host: HostPicture) -> Gray:
    samples = _luma(host).samples
    stride = thumbnail_stride(samples.shape[1], samples.shape[0])
    size = host.orientation.upright_size(*THUMBNAIL_SIZE)
    thumbnail = cv2.resize(np.ascontiguousarray(samples[::stride, ::stride]), size, interpolation=cv2.INTER_AREA)
    if host.orientation.rotation_degrees:
        thumbnail = cv2.rotate(thumbnail, TURNS[host.orientation.rotation_degrees])
    return _bytes(thumbnail, host)


def _luma(picture: HostPicture) -> Plane:
    """The luma plane; of pictures without one, their gray."""
    yuv = picture.yuv
    if yuv is not None:
        return luma_plane(picture.frame, yuv, picture.encoding)
    (plane,) = picture.planes()
    return Plane(np.asarray(cv2.cvtColor(plane.samples, cv2.COLOR_BGR2GRAY), np.uint8), black=(0,))


def _bytes(samples: MatLike, picture: HostPicture) -> Gray:
    yuv = picture.yuv
    if samples.dtype == np.uint8 or yuv is None:
        return np.asarray(samples, np.uint8)
    return np.asarray(np.asarray(samples, np.uint16) >> (yuv.bits - 8 + yuv.shift), np.uint8)
