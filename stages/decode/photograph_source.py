"""A photograph as a source of frames: one, or all of a moving one's.

The frames are made in host memory and admitted like a decoder's; an admission for a card uploads them.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

from stages.decode.decoding_source import Admission, DecodingSource, WantedFrame
from stages.decode.photograph import Photograph
from stages.decode.source_options import SourceOptions
from stages.errors import NotAVideo, SourceBroken
from stages.imaging.orientation import Orientation
from stages.sources import VideoInfo

__all__ = ["PhotographSource"]


class PhotographSource(DecodingSource):
    """A photograph as a source of frames, shown for seconds each. Implements `stages.contract.FrameSource`."""

    def __init__(
        self, *, source_id: str, path: str, admission: Admission, options: SourceOptions | None = None
    ) -> None:
        """The admission is closed with the source."""
        super().__init__(source_id, admission, options or SourceOptions())
        self._path = path
        self._quarter_turns = self._options.turn_degrees // 90
        self._photograph: Photograph | None = None
        self._pictures: Iterator[tuple[NDArray[np.uint8], float]] = iter(())
        self._first: tuple[NDArray[np.uint8], float] | None = None

    def __repr__(self) -> str:
        return f"<PhotographSource {self._source_id} {self._photograph or 'closed'}>"

    def open(self) -> VideoInfo:
        """Read the first picture. Raises SourceError. See `DecodingSource.open`."""
        photograph = self._photograph = Photograph(self._path)
        try:
            self._pictures = self._turned(photograph.frames())
            self._first = next(self._pictures)
        except BaseException:
            self._close_file()
            raise
        pixels, seconds = self._first
        moves = photograph.frame_count > 1
        self._is_still = not moves
        return VideoInfo(
            source_id=self._source_id,
            uri=photograph.label,
            width=pixels.shape[1],
            height=pixels.shape[0],
            rotation_degrees=(photograph.rotation_degrees + 90 * self._quarter_turns) % 360,
            fps=1 / seconds if moves else None,
            frame_count=photograph.frame_count,
            duration_seconds=seconds * photograph.frame_count if moves else 0.0,
            codec=photograph.codec,
        )

    def _wanted(self) -> Iterator[WantedFrame]:
        begins = 0.0
        start_index: int | None = None
        for index, (pixels, seconds) in enumerate(self._read()):
            pts_seconds, begins = begins, begins + seconds
            if self._is_interrupted or self._options.is_past(pts_seconds):
                return
            if pts_seconds < self._options.start_seconds:
                continue
            start_index = index if start_index is None else start_index
            self._frames_decoded = index + 1 - start_index
            if self._options.delivers_all or self._options.detects(index):
                frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
                del pixels
                yield frame, Orientation(), index, pts_seconds
                del frame

    def _read(self) -> Iterator[tuple[NDArray[np.uint8], float]]:
        first, self._first = self._first, None
        if first is None:
            return
        index, pts_seconds = 1, 0.0
        duration = first[1]
        yield first
        del first
        while True:
            try:
                pixels, seconds = next(self._pictures)
            except StopIteration:
                return
            except NotAVideo as exc:
                raise SourceBroken(
                    f"{exc}; what came before is kept", frame_index=index, pts_seconds=pts_seconds
                ) from exc
            index, pts_seconds = index + 1, pts_seconds + duration
            duration = seconds
            yield pixels, seconds

    def _turned(self, pictures: Iterator[tuple[NDArray[np.uint8], float]]) -> Iterator[tuple[NDArray[np.uint8], float]]:
        """The pictures turned clockwise, as a caller asked for."""
        for pixels, seconds in pictures:
            yield np.ascontiguousarray(np.rot90(pixels, -self._quarter_turns)), seconds

    def _close_file(self) -> None:
        photograph, self._photograph = self._photograph, None
        self._pictures = iter(())
        self._first = None
        if photograph is not None:
            photograph.close()
