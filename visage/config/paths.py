"""Paths as people write them in settings: `~` is the home folder, and no name at all is not the working directory.

A variable that is not set leaves an empty name behind, which Python would take for `.`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from visage.home import lacks_home

__all__ = ["AbsolutePath", "NamedPath"]


def _refuse_no_path(path: object) -> object:
    if path == "":
        raise ValueError("is empty; name a path, or leave the key out")
    if "\0" in str(path):
        raise ValueError("holds a null character, which no path can")
    return path


def _expand_home(path: Path) -> Path:
    """A user without a home, as in a container, keeps the `~`: most such paths are defaults that are not used."""
    return Path(os.path.expanduser(path))


NamedPath: TypeAlias = Annotated[Path, BeforeValidator(_refuse_no_path), AfterValidator(_expand_home)]


def _make_absolute(path: Path) -> Path:
    if lacks_home(path):
        raise ValueError(f"{path}: this user has no home folder; set HOME, or name the path without ~")
    return path.absolute()


AbsolutePath: TypeAlias = Annotated[NamedPath, AfterValidator(_make_absolute)]
"""For a daemon, whose working directory is easily forgotten."""
