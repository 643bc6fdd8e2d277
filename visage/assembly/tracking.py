"""Detection as a run wants it: within tracking, or by itself."""

from __future__ import annotations

import logging

from stages.contract import Stage
from stages.errors import BackendError
from stages.frames import Frame, Observation
from stages.track.stage import TrackStage
from visage.assembly.looking import delivers_all
from visage.assembly.platform import Platform
from visage.config import Settings

__all__ = ["detecting_stage"]

logger = logging.getLogger(__name__)


def detecting_stage(settings: Settings, platform: Platform, *, release_pixels: bool) -> Stage[Frame, Observation]:
    """Detection, within tracking unless the settings go without.

    Raises BackendError for what the platform can't do.
    """
    if not settings.track:
        return platform.detect_stage(release_pixels=release_pixels)
    if delivers_all(settings) and platform.luma is None:
        if settings.frameskip == "auto":
            raise BackendError(
                "--frameskip auto reads pixels, which it can't on a GPU yet; give a number or --device cpu"
            )
        logger.warning(
            "no optical flow on a GPU yet: between looks faces are carried by their last movement; "
            "--no-propagate leaves those frames out"
        )
    return TrackStage(
        platform.detect_stage(release_pixels=False),
        luma=platform.luma,
        follows=delivers_all(settings),
        adaptive=settings.frameskip == "auto",
        chooses=settings.embed == "best",
        release_pixels=release_pixels,
    )
