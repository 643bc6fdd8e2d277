"""Results as a run's own sink writes them, of two people whose frames and boxes a test knows."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from stages.frames import Faces, Frame, Identity, Observation
from stages.sink.folder import FolderSink
from stages.sink.metadata import RunDescription
from stages.sink.source_sinks import SourceSinks
from stages.sources import SourceEnded, VideoInfo
from tests.unit.stages.sink.scenes import PlainPicture

__all__ = ["ADA", "BOB", "FRAMES", "RATES", "boxes_of", "frame_times", "results"]

RATES = {"23.976": Fraction(24000, 1001), "29.97": Fraction(30000, 1001), "25": Fraction(25)}
FRAMES = 4000
ADA = [*range(1790, 1830), *range(3000, 3010)]
"""Frames of track 1, around the minute at which drop-frame timecode leaves out numbers, with a gap."""
BOB = list(range(1810, 1851))
"""Frames of track 2."""
NAMES = {1: "Ada & <Co>", 2: "Bob"}


def boxes_of(frame: int) -> dict[int, tuple[float, float, float, float]]:
    """The boxes of a frame by track, pixels."""
    boxes = {}
    if frame in ADA:
        boxes[1] = (100.25 + frame / 8, 50.5, 180.75 + frame / 8, 150.0)
    if frame in BOB:
        boxes[2] = (700.0, 300.25 + frame / 16, 790.5, 410.75 + frame / 16)
    return boxes


def frame_times(rate: Fraction, *, is_variable: bool = False) -> list[float]:
    """When each frame begins; with a variable rate every third lasts twice as long."""
    if not is_variable:
        return [float(frame / rate) for frame in range(FRAMES)]
    steps = np.where(np.arange(FRAMES - 1) % 3 == 0, 2 / float(rate), 1 / float(rate))
    times: list[float] = np.concatenate([[0.0], np.cumsum(steps)]).tolist()
    return times


def results(
    folder: Path,
    rate: Fraction,
    *,
    times: Sequence[float] | None = None,
    tracked: bool = True,
    interrupted: bool = False,
    source: str = "/films/köln.mkv",
) -> Path:
    """Write a folder of results; returns it."""
    run = RunDescription(detector="yunet", tracks=tracked)
    times = frame_times(rate) if times is None else times
    info = VideoInfo(
        "film", source, 1920, 1080, fps=float(rate), frame_count=FRAMES, duration_seconds=times[-1], codec="h264"
    )
    sinks = SourceSinks()
    sinks.open(lambda: [FolderSink(folder, run)], info)
    for frame in sorted({*ADA, *BOB}):
        boxes = boxes_of(frame)
        count = len(boxes)
        who = tuple(Identity(f"p{track}", NAMES[track], 0.6, times[frame]) for track in boxes)
        faces = Faces(
            np.array(list(boxes.values()), np.float32),
            np.full(count, 0.875, np.float32),
            track_ids=np.array(list(boxes), np.int64) if tracked else None,
            quality=np.full(count, 0.5, np.float32) if tracked else None,
            propagated=np.zeros(count, bool) if tracked else None,
            identities=who if tracked else None,
        )
        sinks.write(Observation(Frame("film", frame, times[frame], PlainPicture(1920, 1080)), faces))
    sinks.close(SourceEnded("film", FRAMES, interrupted=interrupted))
    return folder
