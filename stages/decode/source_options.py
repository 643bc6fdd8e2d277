"""How a source is read, and which of its frames are delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stages.decode.looks import Looks

__all__ = ["InputOptions", "SourceOptions"]


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How FFmpeg is to open an input.

    Attributes:
        container_format: FFmpeg's name, for inputs without a container: "v4l2" for a local camera. None detects it.
        options: FFmpeg's options, which override ours, for example {"rtsp_transport": "udp"}.
    """

    container_format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What a caller can choose about a source.

    Attributes:
        frameskip: detect in the frames whose index is a multiple of this. At least 1.
        delivers_all: deliver the other frames as well, marked as not to be detected; otherwise they are left out, and
            not decoded where that can be avoided.
        start_seconds, end_seconds: deliver the frames in [start, end) seconds of the source; an end of None is its end.
        turn_degrees: clockwise turn in addition to the file's own: 0, 90, 180 or 270.
        is_live: a camera or stream; it has no end, and no frame of it is held back. Never a photograph.
        input_options: how FFmpeg opens it; photographs are not opened by FFmpeg.
        looks: scan a film: deliver these frames alone; needs a frameskip of 1. None delivers what `frameskip` says.
    """

    frameskip: int = 1
    delivers_all: bool = False
    start_seconds: float = 0.0
    end_seconds: float | None = None
    turn_degrees: int = 0
    is_live: bool = False
    input_options: InputOptions = field(default_factory=InputOptions)
    looks: Looks | None = None

    def is_past(self, pts_seconds: float) -> bool:
        """Return whether a frame at this time, in seconds, lies behind the wanted range."""
        return self.end_seconds is not None and pts_seconds >= self.end_seconds

    def detects(self, index: int) -> bool:
        """Return whether the frame with this zero-based index goes to the detector."""
        return index % self.frameskip == 0
