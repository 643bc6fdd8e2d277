"""The common part of all sources of frames: frames leave in order, each with the pixels it owns.

A file waits for a free buffer when the pipeline is behind; a live source drops the frame and counts it.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import Protocol, TypeAlias

import av

from stages.decode.source_options import SourceOptions
from stages.errors import PoolClosed
from stages.frames import Frame, Picture
from stages.imaging.orientation import Orientation
from stages.sources import VideoInfo

__all__ = ["Admission", "DecodingSource", "WantedFrame"]

WantedFrame: TypeAlias = tuple[av.VideoFrame, Orientation, int, float]
"""A decoded frame that is to be delivered, how to hold it upright, its index and its time in seconds."""


class DecodingSource(ABC):
    """The part of `stages.contract.FrameSource` that does not depend on what decodes. Owns its admission."""

    def __init__(self, source_id: str, admission: Admission, options: SourceOptions) -> None:
        self._source_id = source_id
        self._admission = admission
        self._options = options
        self._is_still = False
        self._is_interrupted = False
        self._frames_decoded = 0
        self._frames_skipped = 0
        self._connection = 0  # of the frame that `_wanted` gives next
        self._delivery: Generator[Frame, None, None] | None = None

    @property
    def frames_decoded(self) -> int:
        """Frames since the start that were decoded, or skipped because no one needs them; not those lost to damage."""
        return self._frames_decoded

    @property
    def frames_skipped(self) -> int:
        """Of `frames_decoded`, the frames that a scan has not decoded. See `stages.contract.SkippingSource`."""
        return self._frames_skipped

    @property
    def frames_dropped(self) -> int:
        """Frames of a live source for which no buffer was free; a file waits for buffers."""
        return self._admission.frames_dropped

    @abstractmethod
    def open(self) -> VideoInfo:
        """Open the source and decode its first frame. Raises SourceNotFound, SourceUnreadable, NotAVideo."""

    def frames(self) -> Iterator[Frame]:
        """The selected frames in order; the caller owns each.

        Raises SourceBroken after the last one where the source breaks off, or is live and ends by itself.
        """
        self._delivery = self._deliver()
        return self._delivery

    def interrupt(self) -> None:
        """From any thread: end `frames` soon, also while it waits for a buffer."""
        self._is_interrupted = True
        self._admission.interrupt()

    def close(self) -> None:
        """Close the decoder, the file and the buffers; frames held elsewhere stay valid. Idempotent."""
        if self._delivery is not None:
            self._delivery.close()
        self._close_file()
        self._admission.close()

    @abstractmethod
    def _wanted(self) -> Iterator[WantedFrame]:
        """The frames to deliver. Ends where the source ends or is interrupted; raises as `frames` does."""

    @abstractmethod
    def _close_file(self) -> None:
        """Free the decoder and the file. Idempotent."""

    def _deliver(self) -> Generator[Frame, None, None]:
        for frame, orientation, index, pts_seconds in self._wanted():
            detect = self._options.detects(index)
            try:
                picture = self._admission.admit(frame, orientation, detect=detect)
            except PoolClosed:
                return
            del frame  # its pixels are the picture's now
            if picture is not None:
                yield Frame(
                    self._source_id,
                    index,
                    pts_seconds,
                    picture,
                    time.time(),
                    detect,
                    connection=self._connection,
                    is_still=self._is_still,
                )


class Admission(Protocol):
    """Turns one source's decoded frames into pictures that the pipeline can hold. Owns their buffers."""

    @property
    def frames_dropped(self) -> int:
        """Number of frames for which no buffer was free."""

    def admit(self, frame: av.VideoFrame, orientation: Orientation, *, detect: bool = True) -> Picture | None:
        """A picture that owns the frame's pixels; None if the source can't wait and no buffer is free.

        `detect` says that the detector will want it: what that takes can be done at once.

        Raises PoolClosed after `interrupt` or `close`, also while waiting.
        """

    def interrupt(self) -> None:
        """From any thread: make a waiting `admit`, and every later one, raise PoolClosed."""

    def close(self) -> None:
        """Release the idle buffers. Pictures still in use stay valid until their owner releases them."""
