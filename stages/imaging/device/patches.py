"""PatchReader patches and thumbnails from pictures on a card, as bytes in host memory: what tracking reads there.

Every call is one kernel and one wait for its results, on a stream of its own, so that what other stages have queued
since is not waited for. All memory is taken at construction; larger requests are served in parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from stages.buffers.cuda import CudaDevice
from stages.buffers.transfer import Readback, Uploads
from stages.frames import Picture
from stages.imaging.device.descriptors import (
    PATCH,
    PICTURE,
    THUMBNAIL,
    Records,
    patch_records,
    picture_records,
    thumbnail_records,
)
from stages.imaging.device.picture import DevicePicture, await_last_uses, mark_used
from stages.imaging.patches import PATCH_SIDE, THUMBNAIL_SIZE, Gray, PatchWindow
from stages.kernels.compiler import Kernel, load_kernel

__all__ = ["DevicePatchReader"]

MAX_PATCHES = 128
"""In one launch, 2 MiB of them: the faces of a batch of 32 frames with four faces each."""

MAX_THUMBNAILS = 128

_BLOCK = (256, 1, 1)


class DevicePatchReader:
    """A `stages.imaging.patches.PatchReader` for pictures on one card; used by one thread, on which it is current."""

    def __init__(self, device: CudaDevice, *, kernel_cache: Path | None = None) -> None:
        """
        Args:
            kernel_cache: folder for compiled kernels.
        """
        self._patch_kernel = load_kernel(device, "patches", {}, cache_folder=kernel_cache)
        self._thumbnail_kernel = load_kernel(device, "thumbnails", {}, cache_folder=kernel_cache)
        with ExitStack() as owned:
            self._stream = device.create_stream()
            owned.callback(self._stream.close)
            records = max(MAX_PATCHES * (PICTURE.itemsize + PATCH.itemsize), MAX_THUMBNAILS * THUMBNAIL.itemsize)
            self._uploads = Uploads(device, records)
            owned.callback(self._uploads.close)
            columns, rows = THUMBNAIL_SIZE
            self._gray = device.allocate((max(MAX_PATCHES * PATCH_SIDE**2, MAX_THUMBNAILS * columns * rows),))
            owned.callback(device.free, self._gray)
            self._readback = Readback(device, self._gray.nbytes)
            owned.callback(self._readback.close)
            self._owned = owned.pop_all()

    def patches(self, pictures: Sequence[Picture], windows: Sequence[Sequence[PatchWindow]]) -> list[list[Gray]]:
        """Return uint8 (PATCH_SIDE, PATCH_SIDE) patches in host memory; see `PatchReader.patches`."""
        owned = [DevicePicture.of(picture) for picture in pictures]
        wanted = [(picture, window) for picture, some in zip(owned, windows, strict=True) for window in some]
        patches: list[Gray] = []
        for start in range(0, len(wanted), MAX_PATCHES):
            patches += self._cut(wanted[start : start + MAX_PATCHES])
        remaining = iter(patches)
        return [[next(remaining) for _ in some] for some in windows]

    def thumbnails(self, pictures: Sequence[Picture]) -> list[Gray]:
        """Return uint8 (36, 64) thumbnails in host memory; see `PatchReader.thumbnails`."""
        owned = [DevicePicture.of(picture) for picture in pictures]
        thumbnails: list[Gray] = []
        for start in range(0, len(owned), MAX_THUMBNAILS):
            thumbnails += self._shrink(owned[start : start + MAX_THUMBNAILS])
        return thumbnails

    def close(self) -> None:
        """Free the device memory. Safe to call twice."""
        self._owned.close()

    def _cut(self, wanted: list[tuple[DevicePicture, PatchWindow]]) -> list[Gray]:
        pictures = list(dict.fromkeys(picture for picture, _ in wanted))
        places = {picture: place for place, picture in enumerate(pictures)}
        described = picture_records(pictures)
        records = patch_records(pictures, [(places[picture], window) for picture, window in wanted])
        return self._run(self._patch_kernel, pictures, [described, records], len(wanted), (PATCH_SIDE, PATCH_SIDE))

    def _shrink(self, pictures: list[DevicePicture]) -> list[Gray]:
        records = thumbnail_records(pictures)
        return self._run(self._thumbnail_kernel, pictures, [records], len(pictures), THUMBNAIL_SIZE)

    def _run(
        self, kernel: Kernel, pictures: list[DevicePicture], records: list[Records], count: int, size: tuple[int, int]
    ) -> list[Gray]:
        """Make `count` images of size (width, height) and wait for them."""
        width, height = size
        await_last_uses(pictures, self._stream)
        addresses = self._uploads.send(*records, stream=self._stream)
        gray = self._gray.view((count, height, width))
        grid = (-(-width * height // _BLOCK[0]), count, 1)
        self._stream.launch(kernel, grid, _BLOCK, *addresses, gray.pointer, np.int32(width), np.int32(height))
        mark_used(pictures, self._stream)
        # One by one: tracks keep some for long, and a part of an array keeps all of it.
        return [image.astype(np.uint8) for image in self._readback(gray, stream=self._stream)]
