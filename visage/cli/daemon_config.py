"""Where a daemon keeps its files, for commands that work beside it: as its configuration says, or as an option does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from visage.config.service import ServiceConfig

__all__ = ["ConfigOption", "read_config"]

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="The daemon's configuration file, which says where it is."),
]


def read_config(path: Path) -> ServiceConfig:
    """The configuration of the daemon. Raises typer.BadParameter with all that is wrong with it."""
    from visage.config.service_file import load_service_config  # noqa: PLC0415
    from visage.config.yaml_file import ConfigError  # noqa: PLC0415

    try:
        return load_service_config(path)
    except ConfigError as error:
        raise typer.BadParameter("; ".join(error.problems)) from error
