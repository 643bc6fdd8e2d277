"""All watched folders: one task each, started and ended as the configuration changes."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
import anyio.abc
import anyio.to_thread

from visage.config.service import FolderConfig
from visage.observe.fields import about
from visage.runtime.wake import Wake
from visage.service.errors import SourceUnknown
from visage.service.folders import FoundFile, WatchedFolder
from visage.service.job_dispatcher import JobDispatcher

__all__ = ["FolderManager", "FolderStatus"]

CHECK_SECONDS = 60.0

logger = logging.getLogger(__name__)


class FolderManager:
    """Owns the folders. `run` is one task; the rest is safe from any thread."""

    def __init__(self, files: JobDispatcher, configs: Mapping[str, FolderConfig]) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._configs = dict(configs)
        self._running: dict[str, _Folder] = {}
        self._paused: set[str] = set()
        self._wake = Wake()

    def __contains__(self, name: str) -> bool:
        return name in self._configs

    def config(self, name: str) -> FolderConfig:
        """Return a folder's configuration. Raises SourceUnknown."""
        try:
            return self._configs[name]
        except KeyError:
            raise SourceUnknown(f"there is no source {name!r}") from None

    def configs(self) -> dict[str, FolderConfig]:
        """Return a copy of all folders' configurations, by name."""
        return dict(self._configs)

    def set(self, name: str, config: FolderConfig | None) -> None:
        """Watch a folder with this configuration, or stop watching it (None). Files that are queued stay queued."""
        with self._lock:  # readers take the dictionary as it is: it is replaced, never changed
            configs = dict(self._configs)
            if config is None:
                configs.pop(name, None)
            else:
                configs[name] = config
            self._configs = configs
        self._wake.set()

    def pause(self, name: str) -> None:
        """Take no new files of a folder until `resume`. Raises SourceUnknown."""
        self.config(name)
        self._paused.add(name)
        self._files.hold(name, held=True)

    def resume(self, name: str) -> None:
        """Take new files of a paused folder again. Raises SourceUnknown."""
        self.config(name)
        self._paused.discard(name)
        self._files.hold(name, held=False)

    def readings(self) -> list[FolderStatus]:
        """Return the state of every folder, in the configuration's order."""
        readings = []
        for name, config in self._configs.items():
            folder = self._running.get(name)
            state, reason = ("waiting", "") if folder is None else (folder.watched.state.value, folder.watched.reason)
            if name in self._paused:
                state, reason = "paused", "paused by request"
            readings.append(FolderStatus(name, state, reason, str(config.path)))
        return readings

    async def run(self) -> None:
        """Watch the configured folders until cancelled. To be run once, as a task in the daemon's event loop."""
        async with anyio.create_task_group() as group:
            while True:
                configs = self._configs
                for name, folder in list(self._running.items()):
                    if configs.get(name) != folder.config:
                        folder.scope.cancel()
                        del self._running[name]
                for name, config in configs.items():
                    if name not in self._running:
                        folder = self._running[name] = _Folder(
                            config, WatchedFolder(config, name=name), anyio.CancelScope()
                        )
                        group.start_soon(self._watch, name, folder)
                await self._wake.wait(CHECK_SECONDS)

    async def _watch(self, name: str, folder: _Folder) -> None:
        async def take(file: FoundFile) -> None:
            try:
                await anyio.to_thread.run_sync(
                    lambda: self._files.found(file, folder=name, priority=folder.config.priority),
                    abandon_on_cancel=True,
                )
            except UnicodeEncodeError:
                logger.warning(
                    "%r is skipped: its name is not UTF-8; rename it",
                    str(file.path),
                    extra=about("file.refused", name),
                )
            except sqlite3.Error as error:  # a full disk
                logger.error(
                    "%s can't be recorded in the ledger: %s",
                    file.path,
                    error,
                    extra=about("file.refused", name, error=error),
                )
                folder.watched.forget(file.path)
            except OSError as error:  # gone, or not to be read: a later scan finds it again
                logger.warning("%s: %s", file.path, error.strerror, extra=about("file.refused", name, error=error))
                folder.watched.forget(file.path)

        with folder.scope:
            await folder.watched.run(take)


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """A watched folder at one moment.

    Attributes:
        state: `waiting`, `watching`, `unreachable` or `paused`.
        reason: why it is not being watched; empty if it is.
    """

    source_id: str
    state: str
    reason: str
    path: str


@dataclass(slots=True)
class _Folder:
    config: FolderConfig
    watched: WatchedFolder
    scope: anyio.CancelScope
