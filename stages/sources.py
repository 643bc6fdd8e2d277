"""What is known about a source, and the two markers that frame its way through the pipeline.

Every source's items arrive in this order at every stage: one `SourceStarted`, its frames in order, one `SourceEnded`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["SourceEnded", "SourceStarted", "VideoInfo"]


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A video as its container and first frame describe it.

    Attributes:
        source_id: unique in a pipeline, short enough for a log line.
        uri: where it came from, without credentials.
        width, height: pixels of the upright frame (rotation metadata applied, pixel aspect not applied).
        pixel_aspect: width of one pixel over its height; 1.0 for square pixels.
        rotation_degrees: clockwise turn that made the coded frame upright: 0, 90, 180 or 270.
        fps: average frame rate, or None where the container does not say.
        frame_count: frames in the whole source as the container states or its duration implies; None for live ones.
        duration_seconds: None for live sources.
        codec: FFmpeg's name, for example "h264".
        decoder: what decodes it, by FFmpeg's name, and where: "libdav1d", "h264 on cuda".
        is_live: a camera or stream: it has no end and can't wait.
        metadata: what the container states, by FFmpeg's names, such as "creation_time".
    """

    source_id: str
    uri: str
    width: int
    height: int
    pixel_aspect: float = 1.0
    rotation_degrees: int = 0
    fps: float | None = None
    frame_count: int | None = None
    duration_seconds: float | None = None
    codec: str = ""
    is_live: bool = False
    decoder: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SourceStarted:
    """The first item of a source in the pipeline, before its frames."""

    info: VideoInfo

    @property
    def source_id(self) -> str:
        """The id of the source, unique in the run."""
        return self.info.source_id


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """Last item of a source; when a sink has handled it, that source's outputs are complete and durable.

    Attributes:
        frames_decoded: frames that left the decoder, looked at or not. Their indices are 0 .. frames_decoded - 1 plus
            the index at which decoding started.
        error: why the source ended early, or None at its proper end.
        interrupted: it was asked to stop (Ctrl-C, SIGTERM, the API); what came before is complete.
        frames_skipped: of `frames_decoded`, those that a scan has passed without decoding them.
    """

    source_id: str
    frames_decoded: int
    error: Exception | None = None
    interrupted: bool = False
    frames_skipped: int = 0
