"""Pictures that a program has already, as a source of frames: arrays from another decoder, a camera's SDK, a game."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import av
import numpy as np
from numpy.typing import NDArray

from stages.decode.decoding_source import Admission, DecodingSource, WantedFrame
from stages.decode.source_options import SourceOptions
from stages.errors import NotAVideo, SourceBroken
from stages.imaging.orientation import Orientation
from stages.sources import VideoInfo

__all__ = ["ArrayFrames", "ArraySource"]

ArrayFrames = Iterable[NDArray[np.uint8] | tuple[float, NDArray[np.uint8]]]
"""Pictures, uint8 (H, W, 3), BGR, upright; or each with its time in seconds."""

CHANNELS = 3


class ArraySource(DecodingSource):
    """Implements `stages.contract.FrameSource` for arrays. Each is copied in its turn, so the caller may reuse it."""

    def __init__(
        self, *, source_id: str, frames: ArrayFrames, fps: float, admission: Admission, options: SourceOptions
    ) -> None:
        """
        Args:
            frames: iterated once, on the source's thread.
            fps: of those without a time of their own.
        """
        super().__init__(source_id, admission, options)
        self._given = iter(frames)
        self._fps = fps

    def open(self) -> VideoInfo:
        """Take the first picture. Raises NotAVideo where there is none, or it is none."""
        try:
            first = next(self._given, None)
            if first is None:
                raise NotAVideo(f"{self._source_id}: there is no picture among the frames")
            _, pixels = self._placed(0, first)
        except ValueError as exc:
            self.close()
            raise exc if isinstance(exc, NotAVideo) else NotAVideo(f"{self._source_id}: {exc}") from exc
        self._given = itertools.chain([first], self._given)
        height, width = pixels.shape[:2]
        return VideoInfo(self._source_id, self._source_id, width, height, fps=self._fps, codec="rawvideo")

    def _wanted(self) -> Iterator[WantedFrame]:
        index, seconds = 0, 0.0
        start_index: int | None = None
        turn = Orientation(self._options.turn_degrees)
        while not self._is_interrupted:
            try:
                at, pixels = self._placed(index, next(self._given))
                if index and at <= seconds:
                    raise ValueError(f"its time, {at:g} s, is not later than the one before, {seconds:g} s")
                seconds = at
            except StopIteration:
                return
            except Exception as exc:  # the caller's iterator may raise anything
                raise SourceBroken(
                    f"{self._source_id} breaks off at frame {index}: {exc}; what came before is kept",
                    frame_index=index,
                    pts_seconds=seconds,
                ) from exc
            if self._options.is_past(seconds):
                return
            if seconds >= self._options.start_seconds:
                start_index = index if start_index is None else start_index
                self._frames_decoded = index + 1 - start_index
                if self._options.delivers_all or self._options.detects(index):
                    yield av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "bgr24"), turn, index, seconds
            index += 1

    def _placed(
        self, index: int, given: NDArray[np.uint8] | tuple[float, NDArray[np.uint8]]
    ) -> tuple[float, NDArray[np.uint8]]:
        seconds, pixels = given if isinstance(given, tuple) else (index / self._fps, given)
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[2:] != (CHANNELS,):
            kind = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise ValueError(f"frame {index} is {kind}, not an array of uint8 (height, width, 3), BGR")
        if not pixels.size:
            raise ValueError(f"frame {index} has no pixels: its shape is {pixels.shape}")
        return float(seconds), pixels

    def _close_file(self) -> None:
        self._given = iter(())
