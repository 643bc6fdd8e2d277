"""Paths as people write them in settings: `~` is the home folder, and no name at all is not the working directory.

A variable that is not set leaves an empty name behind, which Python would take for `.`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator

__all__ = ["AbsolutePath", "NamedPath"]


def _refuse_no_path(path: object) -> object:
    if path == "":
        raise ValueError("is empty; name a path, or leave the key out")
    if "\0" in str(path):
        raise ValueError("holds a null character, which no path can")
    return path


def _expand_home(path: Path) -> Path:
    """A user without a home, as in a container, keeps the `~`: most such paths are defaults that nobody uses."""
    return Path(os.path.expanduser(path))


NamedPath: TypeAlias = Annotated[Path, BeforeValidator(_refuse_no_path), AfterValidator(_expand_home)]

AbsolutePath: TypeAlias = Annotated[NamedPath, AfterValidator(Path.absolute)]
"""For a daemon, whose working directory nobody remembers."""
