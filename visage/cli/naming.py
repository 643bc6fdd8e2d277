"""Names for the user's own models: checked before any work is done, so that a name that is taken costs a line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["ForceOption", "checked_name"]

ForceOption: TypeAlias = Annotated[bool, typer.Option("--force", help="Replace your own model of that name.")]


def checked_name(text: str, model_dir: Path, *, replace: bool) -> str:
    """The text as a model's name. Raises typer.BadParameter if another model is called so; CatalogDamaged."""
    from visage.models.errors import ModelNameTaken  # noqa: PLC0415
    from visage.models.own import as_name, check_name  # noqa: PLC0415

    name = as_name(text)
    try:
        check_name(name, model_dir, replace=replace)
    except ModelNameTaken as error:
        raise typer.BadParameter(str(error)) from error
    return name
