"""A photograph as a source of frames: one, or all of a moving one's.

The frames are made in host memory and admitted like a decoder's; an admission for a card uploads them.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

import av
import numpy as np
from numpy.typing import NDArray

from stages.decode.photograph import Photograph
from stages.decode.video import Admission
from stages.errors import NotAVideo, PoolClosed, SourceBroken
from stages.frames import Frame
from stages.imaging.orientation import Orientation
from stages.sources import VideoInfo

__all__ = ["PhotographSource"]


class PhotographSource:
    """Implements `stages.contract.FrameSource`."""

    def __init__(
        self,
        *,
        source_id: str,
        path: str,
        admission: Admission,
        frameskip: int = 1,
        delivers_all: bool = False,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        turn_degrees: int = 0,
    ) -> None:
        """See `stages.decode.video.VideoSource`; the admission is closed with the source."""
        self._quarter_turns = turn_degrees // 90
        self._source_id = source_id
        self._path = path
        self._admission = admission
        self._frameskip = frameskip
        self._delivers_all = delivers_all
        self._start_seconds = start_seconds
        self._end_seconds = end_seconds
        self._is_interrupted = False
        self._frames_decoded = 0
        self._photograph: Photograph | None = None
        self._pictures: Iterator[tuple[NDArray[np.uint8], float]] = iter(())
        self._first: tuple[NDArray[np.uint8], float] | None = None
        self._delivery: Generator[Frame, None, None] | None = None

    def __repr__(self) -> str:
        return f"<PhotographSource {self._source_id} {self._photograph or 'closed'}>"

    @property
    def frames_decoded(self) -> int:
        """Pictures read so far, from the selected start on."""
        return self._frames_decoded

    @property
    def frames_dropped(self) -> int:
        """None: a file waits for buffers."""
        return self._admission.frames_dropped

    def open(self) -> VideoInfo:
        """Open the file and read its first picture. Raises SourceNotFound, SourceUnreadable, NotAVideo."""
        photograph = self._photograph = Photograph(self._path)
        try:
            self._pictures = self._turned(photograph.frames())
            self._first = next(self._pictures)
        except BaseException:
            self._close_file()
            raise
        pixels, seconds = self._first
        moves = photograph.frame_count > 1
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

    def frames(self) -> Iterator[Frame]:
        """The selected frames in order; the caller owns each. Raises SourceBroken after the last one there is."""
        self._delivery = self._deliver()
        return self._delivery

    def interrupt(self) -> None:
        """From any thread: end `frames` soon, also while it waits for a buffer."""
        self._is_interrupted = True
        self._admission.interrupt()

    def close(self) -> None:
        """Free the file and the buffers; frames held elsewhere stay valid. Idempotent."""
        if self._delivery is not None:
            self._delivery.close()
        self._close_file()
        self._admission.close()

    def _deliver(self) -> Generator[Frame, None, None]:
        begins = 0.0
        start_index: int | None = None
        for index, (pixels, seconds) in enumerate(self._read()):
            pts_seconds, begins = begins, begins + seconds
            if self._is_interrupted or (self._end_seconds is not None and pts_seconds >= self._end_seconds):
                return
            if pts_seconds < self._start_seconds:
                continue
            start_index = index if start_index is None else start_index
            self._frames_decoded = index + 1 - start_index
            detect = index % self._frameskip == 0
            if not detect and not self._delivers_all:
                continue
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            del pixels
            try:
                picture = self._admission.admit(frame, Orientation(), detect=detect)
            except PoolClosed:
                return
            if picture is not None:
                yield Frame(self._source_id, index, pts_seconds, picture, time.time(), detect)

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
