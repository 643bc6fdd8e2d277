"""Which settings results depend on, as a short key: a file is worked on again when the key has changed."""

from __future__ import annotations

import hashlib
import json

from visage.config import Settings

__all__ = ["settings_key"]

NOT_IN_KEY = {
    *("model_dir", "device", "backend", "precision", "threads", "workers", "detect_batch", "embed_batch"),
    *("concurrent_files", "batch_deadline_seconds", "inbox_capacity", "queue_capacity", "drain_seconds"),
    *("gallery_key", "index_url", "index_grpc_port", "index_api_key", "retention_days"),
}
"""Settings that change how fast results come and where people are kept, not what stands in the results."""


def settings_key(settings: Settings) -> str:
    """16 hexadecimal digits."""
    values = settings.model_dump(mode="json", exclude=NOT_IN_KEY)
    # Its former name, so that an upgrade does not analyse every file again.
    values["min_face"] = values.pop("min_face_pixels")
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()
