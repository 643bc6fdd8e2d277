"""What a valid configuration still lacks on this machine: secrets that are not there, folders that are missing.

Told by `visage serve --check`; not errors, because a file may be checked on one machine and used on another.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from visage.config.secrets import Secret
from visage.config.service import ServiceConfig
from visage.config.yaml_file import ConfigError

__all__ = ["review"]


def review(config: ServiceConfig) -> list[str]:
    """One line each, with its key."""
    lines = list(_secrets(config, ""))
    for name, folder in config.folders.items():
        if not folder.path.is_dir():
            lines.append(f"folders.{name}.path: there is no folder {folder.path} yet; it will be waited for")
    return lines


def _secrets(value: object, key: str) -> Iterator[str]:
    if isinstance(value, Secret):
        try:
            value.read()
        except ConfigError as error:
            yield f"{key}: {error}"
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name), f"{key}.{name}" if key else name)
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _secrets(below, f"{key}.{name}")
