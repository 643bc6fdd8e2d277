"""Which settings results depend on, and which only change how fast they come or where people are kept."""

from __future__ import annotations

from collections.abc import Mapping

from visage.config.settings import Settings

__all__ = ["NOT_IN_RESULTS", "result_settings"]

NOT_IN_RESULTS = frozenset(
    {"model_dir", "device", "backend", "precision", "threads", "workers", "detect_batch", "embed_batch"}
    | {"concurrent_files", "batch_deadline_seconds", "inbox_capacity", "queue_capacity", "drain_seconds"}
    | {"gallery_key", "index_url", "index_grpc_port", "index_api_key", "retention_days"}
)


def result_settings(settings: Settings) -> Mapping[str, object]:
    """The settings that results depend on, fit for JSON."""
    values: dict[str, object] = settings.model_dump(mode="json", exclude=set(NOT_IN_RESULTS))
    return {**values, "embed": settings.embeds}
