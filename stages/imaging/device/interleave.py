"""Frames of host memory as NV12 or P010, as a card's pictures are stored: for what NVDEC does not decode."""

from __future__ import annotations

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from stages.imaging.colour import NV12, YuvSamples
from stages.imaging.device.picture import SurfaceLayout
from stages.imaging.host.planes import yuv_samples

__all__ = ["interleave"]


def interleave(
    frame: av.VideoFrame, layout: SurfaceLayout, target: NDArray[np.uint8], reformatter: VideoReformatter
) -> None:
    """Write a frame of host memory, whatever its format, as NV12 or P010.

    swscale only makes it 4:2:0 where it is not; interleaving with it loses the last column of odd widths.

    Args:
        target: uint8 (layout.nbytes or more,); what lies between rows is left as it is.
    """
    encoding, samples = layout.encoding, layout.samples
    stored = yuv_samples(frame)
    if stored is None or stored.bits != samples.bits:
        # Range and matrix stay as they are: the kernels read them from the layout.
        frame = reformatter.reformat(
            frame,
            format="yuv420p" if samples == NV12 else "yuv420p10le",
            src_colorspace=encoding.matrix,
            dst_colorspace=encoding.matrix,
            src_color_range=encoding.range,
            dst_color_range=encoding.range,
            threads=1,
        )
        stored = YuvSamples(bits=samples.bits, shift=0, is_semi_planar=False)
    rows = target[: layout.nbytes].view(samples.dtype).reshape(layout.height + layout.chroma_rows, -1)
    luma, *chroma = (_rows(plane, samples.dtype, step=2 if frame.interlaced_frame else 1) for plane in frame.planes)
    shift = samples.shift - stored.shift
    _place(luma, rows[: layout.height, : layout.width], shift)
    pairs = rows[layout.height :, : layout.width + layout.width % 2]
    for position, plane in enumerate(chroma):
        _place(plane, pairs if stored.is_semi_planar else pairs[:, position::2], shift)


def _rows(plane: VideoPlane, dtype: np.dtype[np.uint8] | np.dtype[np.uint16], *, step: int) -> NDArray[np.uint8]:
    """(rows, samples with padding) of a plane; of every `step` rows the first, in the place of all."""
    rows: NDArray[np.uint8] = np.frombuffer(plane, dtype).reshape(plane.height, -1)  # type: ignore[call-overload]
    return np.repeat(rows[::step], step, axis=0)[: len(rows)] if step > 1 else rows


def _place(source: NDArray[np.uint8], target: NDArray[np.uint8], shift: int) -> None:
    height, width = target.shape
    np.left_shift(source[:height, :width], shift, out=target)
