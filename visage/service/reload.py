"""Applies a new configuration to cameras and folders without touching those that did not change.

Callers of the API may have added and removed sources meanwhile. The configuration wins: a camera it adds replaces one
of the same name, and one that is already gone is not an error.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from visage.config.service import ServiceConfig
from visage.config.yaml_file import ConfigError
from visage.service.camera_manager import CameraManager
from visage.service.errors import SourceTaken, SourceUnknown
from visage.service.folder_manager import FolderManager

__all__ = ["adopt", "apply_config"]

RESTART_SECTIONS = ("state_dir", "analysis", "files", "events", "web", "drain_seconds")
"""What a running daemon can't change."""


def apply_config(old: ServiceConfig, new: ServiceConfig, cameras: CameraManager, folders: FolderManager) -> list[str]:
    """Apply the changes between two configurations; returns them, one line each. Safe from any thread.

    Raises ConfigError, before anything has changed, if a new folder has the name of a camera that a caller added.
    """
    for name in new.folders:
        if name in cameras and name not in old.cameras:
            raise ConfigError([f"folders.{name}: there is a camera of this name, added by the API; remove it first"])
    return [*_apply_cameras(old, new, cameras), *_apply_folders(old, new, folders)]


def adopt(old: ServiceConfig, new: ServiceConfig) -> tuple[ServiceConfig, list[str]]:
    """Return the configuration in force after `apply_config`, and the changed sections that need a restart."""
    needing = [name for name in RESTART_SECTIONS if getattr(new, name) != getattr(old, name)]
    return new.model_copy(update={name: getattr(old, name) for name in RESTART_SECTIONS}), needing


def _apply_cameras(old: ServiceConfig, new: ServiceConfig, cameras: CameraManager) -> list[str]:
    done = []
    for name in sorted(old.cameras.keys() - new.cameras.keys()):
        try:
            cameras.remove(name)
        except SourceUnknown:
            continue
        done.append(f"camera {name} removed")
    for name, config in new.cameras.items():
        if config == old.cameras.get(name):
            continue
        try:
            if name in cameras:
                cameras.change(name, config)
                done.append(f"camera {name} changed")
            else:
                cameras.add(name, config)
                done.append(f"camera {name} added")
        except (SourceTaken, SourceUnknown) as error:  # a caller was quicker
            done.append(f"camera {name} is unchanged: {error}")
    return done


def _apply_folders(old: ServiceConfig, new: ServiceConfig, folders: FolderManager) -> list[str]:
    changed = [name for name in new.folders if new.folders[name] != old.folders.get(name)]
    for name in old.folders.keys() - new.folders.keys():
        folders.set(name, None)
    for name in changed:
        folders.set(name, new.folders[name])
    return _changes(old.folders.keys(), new.folders.keys(), [name for name in changed if name in old.folders])


def _changes(old: Collection[str], new: Collection[str], changed: Sequence[str]) -> list[str]:
    before, after = set(old), set(new)
    return [
        *(f"folder {name} added" for name in sorted(after - before)),
        *(f"folder {name} removed" for name in sorted(before - after)),
        *(f"folder {name} changed" for name in sorted(changed)),
    ]
