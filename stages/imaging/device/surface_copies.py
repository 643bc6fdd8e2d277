"""Copies of NVDEC's surfaces inside a card, into pictures of ours."""

from __future__ import annotations

from av.video.plane import VideoPlane

from stages.buffers.cuda_stream import CudaStream
from stages.imaging.device.picture import SurfaceLayout

__all__ = ["copy_surface"]


def copy_surface(
    planes: tuple[VideoPlane, ...], layout: SurfaceLayout, target: int, *, is_interlaced: bool, stream: CudaStream
) -> None:
    """Queue the copy of a surface's luma and chroma.

    Args:
        layout: with a `chroma_row` only if both planes are one block of memory of the layout's own pitch.
        target: device address; `layout.nbytes` bytes from there are written.
        is_interlaced: only the first field is taken.
    """
    luma, chroma = planes
    chroma_target = target + layout.chroma_offset
    if is_interlaced:
        _copy_first_field(luma, layout, target, layout.height, stream)
        _copy_first_field(chroma, layout, chroma_target, layout.chroma_rows, stream)
    elif layout.chroma_row:
        stream.copy(luma.buffer_ptr, target, layout.nbytes)
    else:
        for plane, start, rows in ((luma, target, layout.height), (chroma, chroma_target, layout.chroma_rows)):
            stream.copy_rows(
                plane.buffer_ptr,
                start,
                source_pitch=plane.line_size,
                target_pitch=layout.pitch,
                row_bytes=layout.row_bytes,
                rows=rows,
            )


def _copy_first_field(plane: VideoPlane, layout: SurfaceLayout, target: int, rows: int, stream: CudaStream) -> None:
    """The first field alone, each of its rows twice: two moments in one picture would be combed."""
    for line in (0, 1):
        stream.copy_rows(
            plane.buffer_ptr,
            target + line * layout.pitch,
            source_pitch=2 * plane.line_size,
            target_pitch=2 * layout.pitch,
            row_bytes=layout.row_bytes,
            rows=(rows + 1 - line) // 2,
        )
