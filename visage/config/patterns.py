"""Whether patterns choose a file below a folder, in one way for the command line and for watched folders."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import PurePath

__all__ = ["matches"]


def matches(below: PurePath, patterns: Iterable[str], *, or_folders: bool = False) -> bool:
    """By its name or by the path below the folder. Case does not matter: cameras write .MP4.

    Args:
        below: the file's path below the folder.
        patterns: as the shell has them.
        or_folders: also by the name or path of a folder above it.
    """
    paths = [below, *(parent for parent in below.parents if parent.name)] if or_folders else [below]
    texts = {text.lower() for path in paths for text in (path.name, path.as_posix())}
    return any(fnmatch.fnmatchcase(text, pattern.rstrip("/").lower()) for pattern in patterns for text in texts)
