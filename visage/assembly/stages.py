"""The stages of a run as its settings require: detection inside tracking, embedding followed by identification."""

from __future__ import annotations

from contextlib import ExitStack

from stages.chain import Chain
from stages.contract import Stage
from stages.frames import Frame, Observation
from stages.identify.continuity import ContinuityStage
from stages.identify.roster import KnownPeople
from stages.identify.sparing import SparingStage
from stages.identify.stage import IdentifyStage
from stages.track.scheduling import LONGEST
from stages.track.stage import TrackStage
from visage.assembly.platform import Platform
from visage.config import Settings

__all__ = [
    "delivers_all",
    "detecting_stage",
    "detection_interval",
    "embedding_stage",
]


def detecting_stage(settings: Settings, platform: Platform, *, release_pixels: bool) -> Stage[Frame, Observation]:
    """Return the detection stage, inside a tracking stage unless the settings turn tracking off.

    The caller closes it. If a part can't be made, those made before are closed and the error is raised.
    """
    if not settings.track:
        return platform.detect_stage(release_pixels=release_pixels)
    detect = platform.detect_stage(release_pixels=False, keeps_weak=True)
    with ExitStack() as on_failure:
        on_failure.callback(detect.close)
        patch_reader = platform.open_patch_reader()
        on_failure.pop_all()
    return TrackStage(
        detect,
        patch_reader=patch_reader,
        follows=delivers_all(settings),
        adaptive=settings.frameskip == "auto",
        chooses=settings.embed == "best",
        score_threshold=platform.score_threshold,
        release_pixels=release_pixels,
    )


def embedding_stage(
    settings: Settings, platform: Platform, people: KnownPeople | None, *, release_pixels: bool
) -> Stage[Observation, Observation]:
    """Return the embedding stage; after it, tracks are divided, and identified if there are people to compare with.

    The caller closes it. `people` is None without a gallery.
    """
    recognise = platform.embed_stage(release_pixels=release_pixels, averages_mirrored=settings.embed == "best")
    embed = Chain(recognise, ContinuityStage())
    if people is None:
        return embed
    named = Chain(embed, IdentifyStage(people.roster, threshold=people.threshold, margin=people.margin))
    if settings.embed != "auto" or not settings.track:
        return named
    return SparingStage(named, threshold=people.threshold)


def detection_interval(settings: Settings) -> int:
    """Return the number of frames from one detection to the next; with `auto`, tracks may ask for more in between."""
    return LONGEST if settings.frameskip == "auto" else settings.frameskip


def delivers_all(settings: Settings) -> bool:
    """Return whether frames between detections are decoded too, to follow faces through them."""
    return settings.track and settings.propagate and settings.frameskip != 1
