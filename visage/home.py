"""`~` in paths: the home folder, or one line for a user who has none."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["NoHomeFolder", "expand_home", "lacks_home"]


class NoHomeFolder(OSError):
    """Raised for `~` in a path if HOME is not set and the system knows no home folder of this user."""


def expand_home(path: str | os.PathLike[str]) -> Path:
    """The path with its leading `~` or `~user` replaced. Raises NoHomeFolder: a folder called `~` is never meant."""
    expanded = Path(os.path.expanduser(path))
    if lacks_home(expanded):
        raise NoHomeFolder(f"{path}: this user has no home folder; set HOME, or name the path without ~")
    return expanded


def lacks_home(path: Path) -> bool:
    """Return whether `~` is left in an expanded path."""
    return path.parts[:1] == ("~",)
