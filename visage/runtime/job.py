"""A job: a source from its decoder to its published outputs, in whatever process has its pictures.

`JobOutputs` travel to that process and make the source's sinks there, given its `JobPlace`. Tracks that end go to the
place's recorder: in the process that owns the gallery the gallery's own, elsewhere one that sends them there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.frames import Picture
from stages.sink.base import Sink
from stages.sources import VideoInfo
from stages.tracks.summary import TrackSummary

__all__ = ["JobOutputs", "JobPlace", "Pictures", "TrackRecorder"]


class Pictures(Protocol):
    """Copies pictures to host memory."""

    def to_bgr(self, picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        """The upright picture as uint8 (H, W, 3), BGR, in host memory. See `stages.imaging.base.Imaging.to_bgr`."""


class TrackRecorder(Protocol):
    """Takes the tracks of all sources, from any thread; never waits.

    `visage.people.SightingRecorder` is the gallery's.
    """

    def record(
        self,
        track: TrackSummary,
        *,
        uri: str,
        is_live: bool = False,
        is_still: bool = False,
        session: float | None = None,
        crop: bytes | None = None,
        recorded: Any = None,
    ) -> bool:
        """Take a track that has ended; False if it had to be dropped. See `visage.people.SightingRecorder.record`."""

    def seen_again(self, source: str, *, uri: str, first_seconds: float, last_seconds: float, before: float) -> None:
        """Note that a stretch of a file was analysed.

        Args:
            first_seconds, last_seconds: of the source's time.
            before: when the analysis began, in seconds since the epoch.
        """


@dataclass(frozen=True, slots=True)
class JobPlace:
    """Where a source is read.

    Attributes:
        recorder: takes its tracks; None without a gallery.
        again: the source was started before in this run, by a process that was lost; its partial outputs are replaced.
    """

    pictures: Pictures
    recorder: TrackRecorder | None = None
    again: bool = False


class JobOutputs(Protocol):
    """Some outputs of every source of a run; can be pickled."""

    @property
    def needs_pixels(self) -> bool:
        """Whether any sink reads pixels."""

    def sinks_for(self, info: VideoInfo, place: JobPlace) -> Sequence[Sink]:
        """Return the sinks of a source that has started, not yet opened; the caller opens and closes them."""
