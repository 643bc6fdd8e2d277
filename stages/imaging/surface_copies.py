"""Copies of NVDEC's surfaces inside a card, described once for all pictures that lie alike.

Describing a copy costs the interpreter more than queueing it. What is remembered is bounded by who owns the layouts:
`forget` goes with them.
"""

from __future__ import annotations

from av.video.plane import VideoPlane

from stages.buffers.cuda_stream import CudaStream, PlaneCopy
from stages.imaging.surface import SurfaceLayout

__all__ = ["SurfaceCopies"]


class SurfaceCopies:
    """The copies of one source, queued on one stream."""

    def __init__(self, stream: CudaStream) -> None:
        self._stream = stream
        self._known: dict[tuple[SurfaceLayout, tuple[tuple[int, int], ...]], tuple[PlaneCopy, ...]] = {}

    def copy(self, planes: tuple[VideoPlane, ...], layout: SurfaceLayout, target: int, *, is_interlaced: bool) -> None:
        """Queue the copy of a surface's luma and chroma.

        Args:
            target: device address; `layout.nbytes` bytes from there are written.
            is_interlaced: only the first field is taken.
        """
        luma, chroma = planes
        if is_interlaced:
            self._copy_first_field(luma, layout, target, layout.height)
            self._copy_first_field(chroma, layout, target + layout.chroma_offset, layout.chroma_rows)
        elif layout.chroma_row:
            (whole,) = self._planned(layout, (luma.line_size, layout.chroma_row + layout.chroma_rows))
            self._stream.copy_plane(whole.aim(luma.buffer_ptr, target))
        else:
            first, second = self._planned(
                layout, (luma.line_size, layout.height), (chroma.line_size, layout.chroma_rows)
            )
            self._stream.copy_plane(first.aim(luma.buffer_ptr, target))
            self._stream.copy_plane(second.aim(chroma.buffer_ptr, target + layout.chroma_offset))

    def forget(self) -> None:
        """Drop what is remembered."""
        self._known.clear()

    def _planned(self, layout: SurfaceLayout, *planes: tuple[int, int]) -> tuple[PlaneCopy, ...]:
        """Copies of planes, each (pitch, rows), into this layout."""
        copies = self._known.get((layout, planes))
        if copies is None:
            copies = tuple(
                PlaneCopy(pitch, layout.pitch, row_bytes=layout.row_bytes, rows=rows) for pitch, rows in planes
            )
            self._known[layout, planes] = copies
        return copies

    def _copy_first_field(self, plane: VideoPlane, layout: SurfaceLayout, target: int, rows: int) -> None:
        """The first field alone, each of its rows twice: two moments in one picture would be combed."""
        for line in (0, 1):
            copy = PlaneCopy(
                2 * plane.line_size, 2 * layout.pitch, row_bytes=layout.row_bytes, rows=(rows + 1 - line) // 2
            )
            self._stream.copy_plane(copy.aim(plane.buffer_ptr, target + line * layout.pitch))
