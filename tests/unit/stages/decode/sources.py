"""Sources on small clips whose frames carry their numbers, and what is seen of them."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from stages.decode.source_options import SourceOptions
from stages.decode.video import VideoSource
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.imaging import HostImaging
from stages.imaging.letterbox import DetectorInput
from stages.sources import VideoInfo
from tests.clips import read_number

needs_field_order = pytest.mark.skipif(
    not hasattr(av.VideoCodecContext, "field_order"),
    reason="PyAV before 18 does not tell the field order: pictures are counted, not numbered by their packets",
)


def source(path: Path | str, *, capacity: int = 2, **properties: object) -> VideoSource:
    admission = HostAdmission(DetectorInput(160), capacity=capacity)
    own = {name: properties.pop(name) for name in ("decoder_threads", "hwaccel") if name in properties}
    options = SourceOptions(**properties)  # type: ignore[arg-type]
    return VideoSource(source_id="clip", uri=str(path), admission=admission, options=options, **own)  # type: ignore[arg-type]


def seen(opened: VideoSource) -> list[tuple[int, int, float]]:
    """(index, number in the picture, time) of every frame."""
    found: list[tuple[int, int, float]] = []
    see_all(opened, found)
    return found


def see_all(opened: VideoSource, found: list[tuple[int, int, float]]) -> None:
    """Note what `seen` returns, also if the source breaks then."""
    imaging = HostImaging(max_batch=1)
    for frame in opened.frames():
        found.append((frame.index, read_number(imaging.to_bgr(frame.picture)), frame.pts_seconds))
        frame.release()


def take_all(opened: VideoSource, indices: list[int]) -> None:
    """Note every frame's index, also if the source breaks then."""
    for frame in opened.frames():
        indices.append(frame.index)
        frame.release()


def run(path: Path, **properties: object) -> tuple[VideoInfo, list[tuple[int, int, float]], int]:
    opened = source(path, **properties)  # type: ignore[arg-type]
    try:
        info = opened.open()
        return info, seen(opened), opened.frames_decoded
    finally:
        opened.close()
