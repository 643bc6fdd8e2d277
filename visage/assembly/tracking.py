"""Detection as a run wants it: within tracking, or by itself."""

from __future__ import annotations

from contextlib import ExitStack

from stages.contract import Stage
from stages.frames import Frame, Observation
from stages.track.stage import TrackStage
from visage.assembly.looking import delivers_all
from visage.assembly.platform import Platform
from visage.config import Settings

__all__ = ["detecting_stage"]


def detecting_stage(settings: Settings, platform: Platform, *, release_pixels: bool) -> Stage[Frame, Observation]:
    """Detection, within tracking unless the settings go without."""
    if not settings.track:
        return platform.detect_stage(release_pixels=release_pixels)
    detect = platform.detect_stage(release_pixels=False)
    with ExitStack() as on_failure:
        on_failure.callback(detect.close)
        luma = platform.open_luma()
        on_failure.pop_all()
    return TrackStage(
        detect,
        luma=luma,
        follows=delivers_all(settings),
        adaptive=settings.frameskip == "auto",
        chooses=settings.embed == "best",
        release_pixels=release_pixels,
    )
