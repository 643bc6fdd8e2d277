"""Pictures of noise and of what is given, in device memory and as code values beside it."""

from __future__ import annotations

from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from stages.buffers import BufferPool
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray, PinnedArray
from stages.imaging.colour import Encoding, Matrix, YuvSamples
from stages.imaging.device.picture import DevicePicture, SurfaceLayout
from stages.imaging.orientation import Orientation
from stages.imaging.tones import PLAIN, Tones
from tests.gpu.reference import Planes

__all__ = ["NV12", "P010", "Surfaces", "layout_of"]

NV12 = YuvSamples(bits=8, shift=0, is_semi_planar=True)
P010 = YuvSamples(bits=10, shift=6, is_semi_planar=True)


def layout_of(
    width: int,
    height: int,
    *,
    samples: YuvSamples = NV12,
    matrix: Matrix = Matrix.ITU709,
    is_full_range: bool = False,
    rotation: int = 0,
    pixel_aspect: float = 1.0,
    padding: int = 20,
    tones: Tones = PLAIN,
) -> SurfaceLayout:
    """A layout whose rows are `padding` bytes longer than they must be."""
    row_bytes = (width + width % 2) * (1 if samples.bits == 8 else 2)
    return SurfaceLayout(
        width=width,
        height=height,
        pitch=-(-(row_bytes + padding) // 4) * 4,
        samples=samples,
        encoding=Encoding(matrix, is_full_range, tones),
        orientation=Orientation(rotation, pixel_aspect),
    )


class Surfaces:
    """Makes pictures and frees them all at its end."""

    def __init__(self, device: CudaDevice, stream: CudaStream, seed: int = 0) -> None:
        self._device = device
        self._stream = stream
        self._random = np.random.default_rng(seed)
        self._pinned: list[PinnedArray] = []
        self.pools: list[BufferPool[DeviceArray]] = []

    def __enter__(self) -> Surfaces:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.synchronize()
        for pool in self.pools:
            pool.close()
        for pinned in self._pinned:
            self._device.free_pinned(pinned)

    def random(self, layout: SurfaceLayout) -> tuple[DevicePicture, Planes]:
        """A picture of noise. Its rows' padding holds noise too."""
        return self._upload(layout, self._noise(layout))

    def showing(
        self, layout: SurfaceLayout, luma: NDArray[np.float64], *, is_gray: bool = False
    ) -> tuple[DevicePicture, Planes]:
        """A picture with this luma, code values (h, w), gray or in colours of noise."""
        codes = self._noise(layout)
        codes[: layout.height, : layout.width] = luma
        if is_gray:
            codes[layout.height :] = 1 << (layout.samples.bits - 1)
        return self._upload(layout, codes)

    def _noise(self, layout: SurfaceLayout) -> NDArray[np.int64]:
        samples_a_row = layout.pitch // layout.sample_bytes
        return self._random.integers(0, 1 << layout.samples.bits, (layout.height + layout.chroma_rows, samples_a_row))

    def _upload(self, layout: SurfaceLayout, codes: NDArray[np.int64]) -> tuple[DevicePicture, Planes]:
        """The picture of these code values: rows of luma, then of U and V, with their padding."""
        stored = (codes << layout.samples.shift).astype(layout.samples.dtype)
        pinned = self._device.allocate_pinned((layout.nbytes,))
        self._pinned.append(pinned)
        pinned.array[:] = stored.reshape(-1).view(np.uint8)
        pool = BufferPool(1, lambda: self._device.allocate((layout.nbytes,)), free=self._device.free)
        self.pools.append(pool)
        lease = pool.lease(stream=self._stream)
        self._stream.upload(pinned, lease.buffer)
        rows = codes.astype(np.float64)
        chroma_width = (layout.width + 1) // 2
        planes = Planes(
            layout,
            luma=rows[: layout.height, : layout.width],
            chroma=rows[layout.height :, : 2 * chroma_width].reshape(layout.chroma_rows, chroma_width, 2),
        )
        return DevicePicture(lease, layout, self._stream.record()), planes
