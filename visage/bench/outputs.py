"""The outputs that every measured pass writes, the same for loops and pipelines: a folder of tables."""

from __future__ import annotations

from pathlib import Path

from stages.sink.base import Sink
from stages.sink.destination import destination_for
from stages.sink.source_sinks import SourceSinks
from stages.sources import VideoInfo
from visage.assembly import describe_run
from visage.config import Settings
from visage.config.sources import SourceSpec

__all__ = ["make_sinks", "open_sinks"]


def make_sinks(settings: Settings, spec: SourceSpec, info: VideoInfo, output: Path) -> list[Sink]:
    """The sinks of `visage run --dst output`, not yet opened."""
    return destination_for(output, describe_run(settings), source_ids=[spec.source_id]).begin().sinks_for(info)


def open_sinks(settings: Settings, spec: SourceSpec, info: VideoInfo, output: Path) -> SourceSinks:
    """Return the sinks of `make_sinks`, opened; the caller closes them."""
    sinks = SourceSinks()
    sinks.open(lambda: make_sinks(settings, spec, info, output), info)
    return sinks
