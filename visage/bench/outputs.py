"""The outputs that every measured pass writes, the same for loops and pipelines: a folder of tables."""

from __future__ import annotations

from pathlib import Path

from stages.sink.base import Sink
from stages.sink.destination import destination_for
from stages.sink.metadata import RunDescription
from stages.sources import VideoInfo
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models import embedder_spec

__all__ = ["make_sinks", "open_sinks"]


def make_sinks(settings: Settings, spec: SourceSpec, info: VideoInfo, output: Path) -> list[Sink]:
    """The sinks of `visage run --dst output`, not yet opened."""
    run = RunDescription(
        detector=settings.detector,
        embedder=settings.embedder if settings.embed else None,
        embedding_dimension=embedder_spec(settings.embedder, settings.model_dir).embedding_dim
        if settings.embed
        else None,
        frameskip=settings.frameskip,
        tracks=settings.track,
    )
    return destination_for(output, run, source_ids=[spec.source_id]).sinks_for(info)


def open_sinks(settings: Settings, spec: SourceSpec, info: VideoInfo, output: Path) -> list[Sink]:
    """The same, opened."""
    sinks = make_sinks(settings, spec, info, output)
    for sink in sinks:
        sink.open(info)
    return sinks
