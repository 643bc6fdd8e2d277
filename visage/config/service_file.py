"""Reads the file of `visage serve`: YAML, with the environment and flags over it.

    VISAGE_SERVICE__CAMERAS__FRONT__FPS_CAP=5     visage serve --set cameras.front.fps_cap=5

Every problem is one line with file, line and key.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from visage.config.service import (
    CameraConfig,
    EventsConfig,
    FilesConfig,
    FolderConfig,
    MqttConfig,
    ServiceConfig,
    WebhookConfig,
)
from visage.config.settings import Settings
from visage.config.sources import redact_text
from visage.config.web import WebSettings
from visage.config.yaml_file import ConfigError, KeyPath, YamlFile

__all__ = ["load_service_config", "with_origins"]

ENVIRONMENT_PREFIX = "VISAGE_SERVICE__"


def load_service_config(
    path: Path, *, flags: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> ServiceConfig:
    """Read the configuration of the daemon.

    Args:
        flags: `key.key=value` each, laid over everything else.
        environment: by default the process's. `VISAGE_*` of single settings wins over the section `analysis`; what is
            empty counts as not set.

    Raises:
        ConfigError: all problems at once.
    """
    environment = os.environ if environment is None else environment
    file = _laid_over(path, flags, environment)
    _prefer_environment(file.values, environment)
    try:
        return ServiceConfig.model_validate(file.values)
    except ValidationError as error:
        raise ConfigError([_problem(file, item["loc"], item["type"], item["msg"]) for item in error.errors()]) from None


def with_origins(problems: Sequence[str], path: Path, *, flags: Sequence[str] = ()) -> list[str]:
    """Prefix each line that begins with a valid key with the place where the key was given. Raises ConfigError."""
    file = _laid_over(path, flags, os.environ)
    return [f"{file.origin(tuple(line.partition(': ')[0].split('.')))}: {line}" for line in problems]


def _laid_over(path: Path, flags: Sequence[str], environment: Mapping[str, str]) -> YamlFile:
    """The file with the environment and flags over it. Raises ConfigError."""
    file = YamlFile(path)
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX) and environment[name]:
            key_path = tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
            file.lay_over(_as_spelled(key_path, file.values), environment[name], origin=f"${name}")
    for flag in flags:
        keys, equals, text = flag.partition("=")
        if not equals:
            raise ConfigError([f"--set {flag}: write key=value"])
        file.lay_over(tuple(keys.split(".")), text, origin=f"--set {keys}")
    return file


def _as_spelled(key_path: KeyPath, values: Mapping[str, object]) -> KeyPath:
    """Keys of the environment are upper case; names in the file need not be lower."""
    spelled = []
    place: object = values
    for key in key_path:
        known = {str(name).lower().replace("-", "_"): str(name) for name in place} if isinstance(place, dict) else {}
        spelled.append(known.get(key, key))
        place = place.get(spelled[-1]) if isinstance(place, dict) else None
    return tuple(spelled)


def _prefer_environment(values: dict[str, object], environment: Mapping[str, str]) -> None:
    """`Settings` reads the environment where it is given nothing."""
    analysis = values.get("analysis")
    if isinstance(analysis, dict):
        for name in [name for name in analysis if environment.get(f"VISAGE_{str(name).upper()}")]:
            del analysis[name]


def _problem(file: YamlFile, location: tuple[int | str, ...], kind: str, message: str) -> str:
    key_path = tuple(str(part) for part in location if part != "[key]")
    message = redact_text(message.removeprefix("Value error, "))
    if kind == "extra_forbidden":
        message = "there is no such key" + _suggestion(key_path)
    if kind == "missing":
        message = "is missing"
    return f"{file.origin(key_path)}: {'.'.join(key_path) or 'the file'}: {message}"


def _suggestion(key_path: KeyPath) -> str:
    sections: dict[str, type[BaseModel]] = {
        "analysis": Settings,
        "cameras": CameraConfig,
        "folders": FolderConfig,
        "files": FilesConfig,
        "events": EventsConfig,
        "mqtt": MqttConfig,
        "webhooks": WebhookConfig,
        "web": WebSettings,
    }
    section = next((sections[key] for key in reversed(key_path[:-1]) if key in sections), ServiceConfig)
    near = difflib.get_close_matches(key_path[-1], section.model_fields, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(section.model_fields)}"
