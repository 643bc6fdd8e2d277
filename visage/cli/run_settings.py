"""The settings of a command, from its flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from pydantic import ValidationError

from visage.config.settings import Settings

__all__ = ["make_settings"]

# Flags that are not called like their setting.
FLAGS = {"start_seconds": "--start", "end_seconds": "--end", "embed": "--no-embed"}


def make_settings(given: Mapping[str, Any]) -> Settings:
    """Settings from the flags that were given (not None), the environment and the defaults.

    Raises typer.BadParameter, which names the flag or the environment variable at fault.
    """
    flags = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**flags)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        message = first["msg"].removeprefix("Value error, ")
        if name:
            flag = FLAGS.get(name, "--" + name.replace("_", "-"))
            message = f"{flag if name in flags else f'VISAGE_{name.upper()}'}: {message}"
        raise typer.BadParameter(message) from error
