"""What the metadata of outputs says of the run that made them."""

from __future__ import annotations

from collections.abc import Sequence

from stages.sink.metadata import RunDescription
from visage import __version__
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models import embedder_spec
from visage.observe.machine import library_versions

__all__ = ["describe_run"]


def describe_run(settings: Settings, sources: Sequence[SourceSpec] = ()) -> RunDescription:
    """The networks, the settings and the versions of a run. Raises UnknownModel.

    `sources`: those whose spans a scan refines.
    """
    embedder = embedder_spec(settings.embedder, settings.model_dir) if settings.embed else None
    return RunDescription(
        detector=settings.detector,
        embedder=None if embedder is None else settings.embedder,
        embedding_dimension=None if embedder is None else embedder.embedding_dim,
        frameskip=settings.frameskip,
        tracks=settings.track,
        is_scan=settings.scan,
        spans={spec.source_id: spec.spans for spec in sources if spec.spans},
        is_whole=settings.start_seconds == 0 and settings.end_seconds is None,
        versions={"visage": __version__, **library_versions()},
        settings={**settings.model_dump(mode="json", exclude={"model_dir"}), "embed": settings.embeds},
    )
