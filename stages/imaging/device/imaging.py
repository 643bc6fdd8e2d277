"""Picture arithmetic on the card: NV12 and P010 straight to network inputs, one kernel a batch.

Everything is queued on the caller's stream and nothing waits, except `to_bgr`. All memory is taken at construction; a
request beyond what was announced then is refused with ValueError. Only `to_bgr` allocates later, on its first call.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.buffers import Stream
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray
from stages.buffers.transfer import Readback, Uploads
from stages.frames import FloatArray, Picture
from stages.imaging.device.descriptors import CROP, LETTERBOX, crop_records, letterbox_records, picture_records
from stages.imaging.device.picture import DevicePicture, await_last_uses, mark_used
from stages.imaging.device.tensor import UINT8_BGR, TensorFormat
from stages.imaging.letterbox import DetectorInput, Letterbox, shrunk
from stages.kernels.compiler import Kernel, load_kernel

__all__ = ["DeviceImaging"]

_LETTERBOX_BLOCK = (32, 8, 1)
_LETTERBOX_TILE = 32
_CROP_BLOCK = (256, 1, 1)


class DeviceImaging:
    """Implements `stages.imaging.base.Imaging` for pictures on one card. One per thread, with one stream."""

    def __init__(
        self,
        device: CudaDevice,
        *,
        detector_input: DetectorInput,
        max_batch: int,
        crop_size: int = 0,
        max_crops: int = 0,
        tensor_format: TensorFormat = UINT8_BGR,
        kernel_cache: Path | None = None,
    ) -> None:
        """
        Args:
            max_batch: pictures that one call takes.
            crop_size: side of the largest crop in pixels.
            max_crops: crops that one call takes.
            tensor_format: of what `letterbox` and `crop` return.
            kernel_cache: folder for compiled kernels.
        """
        self._device = device
        self._detector_input = detector_input
        self._fit = functools.lru_cache(maxsize=256)(detector_input.fit)
        self._max_batch = max_batch
        self._max_crops = max_crops
        self._crop_size = crop_size
        self._format = tensor_format
        self._kernel_cache = kernel_cache
        self._letterbox_kernel = load_kernel(device, "letterbox", tensor_format.defines(), cache_folder=kernel_cache)
        self._crop_kernel = load_kernel(device, "crop", tensor_format.defines(), cache_folder=kernel_cache)
        self._preview: _Preview | None = None
        side = detector_input.longest
        with ExitStack() as owned:
            self._uploads = Uploads(device, LETTERBOX.itemsize * max_batch + CROP.itemsize * max_crops)
            owned.callback(self._uploads.close)
            self._inputs = device.allocate(tensor_format.shape(max_batch, side, side), tensor_format.element)
            owned.callback(device.free, self._inputs)
            self._crops = device.allocate(tensor_format.shape(max_crops, crop_size, crop_size), tensor_format.element)
            owned.callback(device.free, self._crops)
            self._owned = owned.pop_all()

    def letterbox(self, pictures: Sequence[Picture], *, stream: Stream) -> DeviceArray:
        """See `Imaging.letterbox`; the tensor is in this instance's format."""
        if not 0 < len(pictures) <= self._max_batch:
            raise ValueError(f"a batch has 1 to {self._max_batch} pictures, not {len(pictures)}")
        stream = CudaStream.of(stream)
        owned = [DevicePicture.of(picture) for picture in pictures]
        height, width = self._detector_input.shape(owned[0].width, owned[0].height, owned[0].pixel_aspect)
        letterboxes = [self._fit(p.width, p.height, p.pixel_aspect) for p in owned]
        await_last_uses(owned, stream)
        (records,) = self._uploads.send(letterbox_records(owned, letterboxes), stream=stream)
        tensor = self._inputs.view(self._format.shape(len(owned), height, width))
        pad_value = self._detector_input.pad_value
        _letterbox(stream, self._letterbox_kernel, records, tensor, (len(owned), height, width), pad_value)
        mark_used(owned, stream)
        return tensor

    def crop(
        self, pictures: Sequence[Picture], transforms: Sequence[FloatArray], size: int, *, stream: Stream
    ) -> DeviceArray:
        """See `Imaging.crop`; the tensor is in this instance's format."""
        count = sum(map(len, transforms))
        if len(pictures) > self._max_batch or count > self._max_crops or size > self._crop_size:
            raise ValueError(
                f"{count} crops of {size} pixels from {len(pictures)} pictures are more than the "
                f"{self._max_crops} of {self._crop_size} from {self._max_batch} that there is room for"
            )
        stream = CudaStream.of(stream)
        owned = [DevicePicture.of(picture) for picture in pictures]
        tensor = self._crops.view(self._format.shape(count, size, size))
        if not count:
            return tensor
        await_last_uses(owned, stream)
        described, crops = self._uploads.send(
            picture_records(owned), crop_records(owned, list(transforms)), stream=stream
        )
        grid = (-(-size * size // _CROP_BLOCK[0]), count, 1)
        stream.launch(self._crop_kernel, grid, _CROP_BLOCK, described, crops, tensor.pointer, np.int32(size))
        mark_used(owned, stream)
        return tensor

    def to_bgr(self, picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        """Return the upright picture as uint8 (H, W, 3), BGR, in host memory; see `Imaging.to_bgr`."""
        owned = DevicePicture.of(picture)
        box = Letterbox(1.0, 1.0, 0, 0, owned.width, owned.height)
        if max_width is not None:
            box = shrunk(owned.width, owned.height, owned.pixel_aspect, max_width)
        size = 3 * box.content_width * box.content_height
        if self._preview is None or self._preview.capacity < size:
            if self._preview is not None:
                self._preview.close()
            self._preview = _Preview(self._device, size, self._kernel_cache)
        return self._preview.show(owned, box)

    def close(self) -> None:
        """Free the device memory. Safe to call twice."""
        if self._preview is not None:
            self._preview.close()
            self._preview = None
        self._owned.close()


class _Preview:
    """Whole pictures for people, on a stream of its own so that no stage's work is waited for."""

    def __init__(self, device: CudaDevice, capacity: int, kernel_cache: Path | None) -> None:
        self.capacity = capacity
        self._device = device
        self._kernel = load_kernel(device, "letterbox", UINT8_BGR.defines(), cache_folder=kernel_cache)
        self._stream = device.create_stream()
        self._uploads = Uploads(device, LETTERBOX.itemsize)
        self._buffer = device.allocate((capacity,))
        self._readback = Readback(device, capacity)

    def show(self, picture: DevicePicture, box: Letterbox) -> NDArray[np.uint8]:
        width, height = box.content_width, box.content_height
        await_last_uses([picture], self._stream)
        (record,) = self._uploads.send(letterbox_records([picture], [box]), stream=self._stream)
        pixels = self._buffer.view((height, width, 3))
        _letterbox(self._stream, self._kernel, record, pixels, (1, height, width), 0)
        mark_used([picture], self._stream)
        return self._readback(pixels, stream=self._stream).astype(np.uint8)

    def close(self) -> None:
        self._uploads.close()
        self._readback.close()
        self._device.free(self._buffer)
        self._stream.close()


def _letterbox(
    stream: CudaStream, kernel: Kernel, records: int, tensor: DeviceArray, size: tuple[int, int, int], pad_value: int
) -> None:
    """Queue letterbox.cu. `records`: device address of the LETTERBOX records; `size`: pictures, height, width."""
    pictures, height, width = size
    grid = (-(-width // _LETTERBOX_TILE), -(-height // _LETTERBOX_TILE), pictures)
    stream.launch(
        kernel,
        grid,
        _LETTERBOX_BLOCK,
        records,
        tensor.pointer,
        np.int32(height),
        np.int32(width),
        np.float32(pad_value),
    )
