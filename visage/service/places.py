"""Whether the paths of a configuration are usable: folders, files, and writable where they are written.

`unusable` lists what a daemon refuses to start with: problems it would meet hours later or never report. `waited_for`
lists what may still appear, such as a watched folder on a network mount. Nothing is created or written here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from visage.config.service import ServiceConfig

__all__ = ["unusable", "waited_for"]


def unusable(config: ServiceConfig) -> list[str]:
    """Return one line, with its key, for each path that can't be used; empty if all can. Never raises OSError."""
    return [f"{key}: {problem}" for key, problem in _unusable(config) if problem]


def waited_for(config: ServiceConfig) -> list[str]:
    """Return one line, with its key, for each path that is not there or not usable yet."""
    lines = []
    gallery = config.analysis.gallery
    if gallery is not None and not (gallery / "gallery.sqlite").exists() and not _folder(gallery):
        lines.append(
            f"analysis.gallery: there is no gallery in {gallery} yet; a new one will be made, with no one in it"
        )
    for name, folder in config.folders.items():
        path = folder.path
        if not path.exists():
            lines.append(f"folders.{name}.path: there is no folder {path} yet; it will be waited for")
        elif not path.is_dir():
            lines.append(f"folders.{name}.path: {path} is not a folder")
        elif not os.access(path, os.R_OK | os.X_OK):
            lines.append(f"folders.{name}.path: {path} is not readable by this user")
        elif folder.output is None and not os.access(path, os.W_OK):
            lines.append(
                f"folders.{name}.path: {path} is not writable by this user, so no results can be stored there; "
                "set output"
            )
    return lines


def _unusable(config: ServiceConfig) -> Iterator[tuple[str, str]]:
    yield "state_dir", _folder(config.state_dir)
    if config.analysis.gallery is not None:
        yield "analysis.gallery", _folder(config.analysis.gallery)
    for name, folder in config.folders.items():
        if folder.output is not None:
            yield f"folders.{name}.output", _folder(folder.output)
    if config.events.jsonl is not None:
        yield "events.jsonl", _file(config.events.jsonl)
    if config.web.enabled:
        yield "web.token_file", _kind(config.web.token_file, wants_folder=False)
        yield "web.audit_file", _file(config.web.audit_file)


def _folder(path: Path) -> str:
    """Why a folder can't be written or made; empty if it can."""
    return _kind(path, wants_folder=True) or _writable(path, os.W_OK | os.X_OK)


def _file(path: Path) -> str:
    """Why a file can't be written or made; empty if it can."""
    return _kind(path, wants_folder=False) or _writable(path, os.W_OK)


def _kind(path: Path, *, wants_folder: bool) -> str:
    try:
        if wants_folder and path.exists() and not path.is_dir():
            return f"{path} is not a folder; name another or remove it"
        if not wants_folder and path.is_dir():
            return f"{path} is a folder; name a file"
    except OSError as error:
        return f"{path}: {error.strerror}"
    return ""


def _writable(path: Path, mode: int) -> str:
    nearest = path
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if nearest != path and not nearest.is_dir():
        return f"{path} can't be created: {nearest} is not a folder"
    needed = mode if nearest == path else os.W_OK | os.X_OK
    if not os.access(nearest, needed, effective_ids=os.access in os.supports_effective_ids):
        return f"{path} can't be written: check the permissions of {nearest}, and that its disk is not read-only"
    return ""
