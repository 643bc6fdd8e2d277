"""Which settings results depend on, as a short key: a file is worked on again when the key has changed."""

from __future__ import annotations

import hashlib
import json

from visage.config import Settings
from visage.config.result_settings import result_settings

__all__ = ["settings_key"]


def settings_key(settings: Settings) -> str:
    """Return 16 hexadecimal digits that change when any setting does which results depend on."""
    values = dict(result_settings(settings))
    # Its former name, so that an upgrade does not analyse every file again.
    values["min_face"] = values.pop("min_face_pixels")
    for name in ("scan", "refine"):  # settings that came later count only where they are used
        if not values[name]:
            del values[name]
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()
