"""What a valid configuration lacks on this machine: secrets, models and tokens, and paths that can be used.

Reported by `visage serve --check`; not errors, because a file may be checked on one machine and used on another. A
daemon does not start without what `refuse_unusable` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel

from visage.config.secrets import Secret
from visage.config.service import ServiceConfig
from visage.config.settings import Settings
from visage.config.yaml_file import ConfigError
from visage.models import ModelError, ModelSpec, detector_spec, embedder_spec
from visage.service.places import unusable, waited_for
from visage.service.tls import client_context
from visage.web.errors import WebError
from visage.web.tokens import check_listening

__all__ = ["refuse_unusable", "review"]

Find = Callable[[str, Path], ModelSpec]


def review(config: ServiceConfig) -> list[str]:
    """Return one line, with its key, for each thing that is missing; empty if the daemon can start. Changes nothing."""
    lines = [*_secrets(config, ""), *_models(config.analysis), *_certificates(config)]
    if config.web.enabled:
        try:
            check_listening(config.web)
        except WebError as error:
            lines.append(f"web.host: {error}")
    lines += [*unusable(config), *waited_for(config)]
    return lines


def refuse_unusable(config: ServiceConfig) -> None:
    """Raise ConfigError with one line for each missing secret and each path that can't serve, with its key."""
    problems = [*_secrets(config, ""), *unusable(config)]
    if problems:
        raise ConfigError(problems)


def _certificates(config: ServiceConfig) -> Iterator[str]:
    places = {f"events.webhooks.{name}.ca_file": hook.ca_file for name, hook in config.events.webhooks.items()}
    if config.events.mqtt is not None:
        places["events.mqtt.ca_file"] = config.events.mqtt.ca_file
    for key, path in places.items():
        if path is not None:
            try:
                client_context(path, key=key)
            except ConfigError as error:
                yield from error.problems


def _models(settings: Settings) -> Iterator[str]:
    wanted: list[tuple[str, str, Find]] = [("detector", settings.detector, detector_spec)]
    if settings.embed:
        wanted.append(("embedder", settings.embedder, embedder_spec))
    for key, name, find in wanted:
        try:
            # A file is only looked for: to ask what is in it adds it to the user's catalogue.
            if not name.endswith(".onnx"):
                find(name, settings.model_dir)
            elif not Path(name).is_file():
                yield f"analysis.{key}: there is no file {name}"
        except ModelError as error:
            yield f"analysis.{key}: {error}"


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
