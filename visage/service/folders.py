"""A watched folder: reports every video in it once it has stopped growing, and again after each change.

A file becomes a candidate when the kernel reports a change (`watchfiles`; by polling on network mounts) or a scan of
the whole folder finds it, at the start and every `rescan_seconds`, because notices get lost. A candidate is reported
when its size and time have stayed the same for `settle_seconds`. The ledger knows what has been done; this class
remembers only the size and time with which it reported each file. A missing folder, such as a lost mount, is waited
for; when it is back, everything in it is reported again.

File system calls run on worker threads, which a hanging mount may block for any length of time.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import anyio
import anyio.to_thread
from watchfiles import Change, awatch

from stages.decode.suffixes import is_left_out
from visage.config.patterns import matches
from visage.config.service import FolderConfig
from visage.observe.fields import about
from visage.service.results import RESULTS_SUFFIX
from visage.service.supervision import leaves

__all__ = ["FolderState", "FoundFile", "WatchedFolder"]

UNREACHABLE_SECONDS = 5.0
POLL_MILLISECONDS = 1000
PART_SUFFIX = ".part"

logger = logging.getLogger(__name__)


class WatchedFolder:
    """Watches one folder. `run` is used by one task; the rest is safe from any thread."""

    def __init__(
        self, config: FolderConfig, *, name: str | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`name`: what the log calls it as a source."""
        self.state = FolderState.WATCHING
        self.reason = ""
        self._config = config
        self._name = name
        self._now = now
        self._candidates: dict[Path, _Candidate] = {}
        self._given: dict[Path, tuple[int, int]] = {}
        self._identity: tuple[int, int] | None = None
        self._lock = threading.RLock()
        self._found = anyio.Event()
        self._stop_watching = anyio.Event()

    def __repr__(self) -> str:
        return f"<WatchedFolder {self._config.path} {self.state.value}, {len(self._candidates)} candidates>"

    async def run(self, on_file: Callable[[FoundFile], Awaitable[None]]) -> None:
        """Call `on_file` for each file that has settled, until cancelled.

        An unreachable folder is waited for, not raised.
        """
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            group.start_soon(self._rescan)
            try:
                await self._give(on_file)
            finally:
                # watchfiles' thread is not cancelled, and looks at its own time-out only every five seconds.
                self._stop_watching.set()

    def scan(self) -> bool:
        """Scan the whole folder; each file that has changed since it was reported becomes a candidate.

        Returns whether this is another folder than at the last scan, such as a mount that came back. Raises OSError if
        it can't be read.
        """
        status = self._config.path.stat()
        listing = list(self._walk(self._config.path))
        for path in listing:
            self.consider(path)
        present = set(listing)
        identity = status.st_dev, status.st_ino
        with self._lock:
            self._given = {path: seen for path, seen in self._given.items() if path in present}
            is_another, self._identity = self._identity not in (None, identity), identity
        return is_another

    def consider(self, path: Path) -> None:
        """Make a file a candidate if the patterns choose it and it is new or has changed. Never raises OSError."""
        if path in self._candidates or not self.wants(path):
            return
        seen = _look(path)
        with self._lock:
            if seen is not None and seen != self._given.get(path):
                self._candidates[path] = _Candidate(*seen, since=self._now())

    def settled(self) -> list[FoundFile]:
        """Return the candidates that have not changed for `settle_seconds`, sorted by path; each is returned once.

        Empty files are left out: their writer has not begun.
        """
        with self._lock:
            candidates = sorted(self._candidates.items())
        looks = [(path, candidate, _look(path)) for path, candidate in candidates]
        ready = []
        with self._lock:
            for path, candidate, seen in looks:
                if seen is None:
                    del self._candidates[path]
                elif seen != (candidate.size, candidate.modified_ns):
                    self._candidates[path] = _Candidate(*seen, since=self._now())
                elif self._now() - candidate.since >= self._config.settle_seconds:
                    del self._candidates[path]
                    self._given[path] = seen
                    if candidate.size > 0:
                        ready.append(FoundFile(path, *seen))
        return ready

    def forget(self, path: Path) -> None:
        """Report a file again after the next scan, because it could not be taken."""
        with self._lock:
            self._given.pop(path, None)

    def wants(self, path: Path) -> bool:
        """Return whether the patterns choose this file.

        Never chosen are hidden and deleted files, those still being written and results.
        """
        try:
            below = path.relative_to(self._config.path)
        except ValueError:
            return False
        if any(map(is_left_out, below.parts)) or path.name.endswith(PART_SUFFIX):
            return False
        if any(part.endswith(RESULTS_SUFFIX) for part in below.parts):
            return False
        output, folder = self._config.output, self._config.path
        if output is not None and folder in output.parents and path.is_relative_to(output):
            return False
        return matches(below, self._config.include) and not matches(below, self._config.exclude, or_folders=True)

    async def _give(self, on_file: Callable[[FoundFile], Awaitable[None]]) -> None:
        while True:
            for found in await anyio.to_thread.run_sync(self.settled, abandon_on_cancel=True):
                await on_file(found)
            if self._candidates:
                await anyio.sleep(min(1.0, self._config.settle_seconds / 4))
            else:
                self._found = anyio.Event()
                with anyio.move_on_after(self._config.rescan_seconds):
                    await self._found.wait()

    def _consider_all(self, changes: set[tuple[Change, str]]) -> None:
        for change, name in changes:
            path = Path(name)
            # A folder that is moved here is told of alone; what is in a new one may have come before it was watched.
            if change is Change.added and path.is_dir():
                for below in self._walk(path):
                    self.consider(below)
            else:
                self.consider(path)

    async def _watch(self) -> None:
        """Candidates by notice."""
        while True:
            self._stop_watching = anyio.Event()
            try:
                async for changes in awatch(
                    self._config.path,
                    watch_filter=lambda change, name: (
                        change is Change.added or (change is Change.modified and self.wants(Path(name)))
                    ),
                    force_polling=self._config.polling,
                    poll_delay_ms=POLL_MILLISECONDS,
                    step=200,
                    ignore_permission_denied=True,
                    stop_event=self._stop_watching,
                ):
                    await anyio.to_thread.run_sync(self._consider_all, changes, abandon_on_cancel=True)
                    self._found.set()
            except Exception as error:
                # Also where the folder is missing, and out of watchfiles' own task group.
                if not all(isinstance(leaf, OSError | RuntimeError) for leaf in leaves(error)):
                    raise
                self._note(FolderState.UNREACHABLE, str(leaves(error)[0]))
                await anyio.sleep(UNREACHABLE_SECONDS)

    async def _rescan(self) -> None:
        """Candidates by looking."""
        while True:
            try:
                if await anyio.to_thread.run_sync(self.scan, abandon_on_cancel=True):
                    self._stop_watching.set()  # it told of the other one
                self._note(FolderState.WATCHING, "")
                wait_seconds = self._config.rescan_seconds
            except OSError as error:
                self._note(FolderState.UNREACHABLE, f"{error.filename}: {error.strerror}")
                with self._lock:
                    self._given.clear()
                wait_seconds = UNREACHABLE_SECONDS
            self._found.set()
            await anyio.sleep(wait_seconds)

    def _walk(self, top: Path) -> Iterator[Path]:
        """Raises OSError where the folder itself can't be listed; a subfolder that can't is left out."""

        def unreadable(error: OSError) -> None:
            if Path(error.filename) == self._config.path:
                raise error
            logger.warning("%s: %s; skipped", error.filename, error.strerror)

        for parent, folders, names in os.walk(top, onerror=unreadable):
            folders[:] = sorted(name for name in folders if not is_left_out(name))
            for name in sorted(names):
                path = Path(parent, name)
                if self.wants(path):
                    yield path

    def _note(self, state: FolderState, reason: str) -> None:
        if (state, reason) != (self.state, self.reason):
            self.state, self.reason = state, reason
            if state is FolderState.UNREACHABLE:
                logger.warning(
                    "%s can't be watched (%s); trying again",
                    self._config.path,
                    reason,
                    extra=about("folder.unreachable", self._name),
                )


class FolderState(Enum):
    """Whether a folder can be watched."""

    WATCHING = "watching"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that has stopped growing: its size in bytes and its modification time in nanoseconds since the epoch."""

    path: Path
    size: int
    modified_ns: int


@dataclass(slots=True)
class _Candidate:
    """What a file looked like, and since when."""

    size: int
    modified_ns: int
    since: float


def _look(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
