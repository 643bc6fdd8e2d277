"""A file that appears whole or not at all: written beside its place, flushed to disk, then renamed.

The bytes go to `NAME.part` in the target's folder. Whoever writes it holds a lock on it (flock), which the kernel drops
with the process: a `.part` file without a lock was left by a killed run and is taken over, one with a lock is refused.
Where the file system knows no locks, the file is taken over. A full disk shows as OutputFailed at any step; `discard`
then leaves nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from stages.errors import OutputExists, OutputFailed

__all__ = ["StagedFile", "output_errors", "part_path", "sync_folder"]

PART_SUFFIX = ".part"

ADVICE = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; free some space or write elsewhere",
    errno.EFBIG: "the file is larger than the file system or this process's limit allows; write elsewhere",
    errno.EROFS: "the file system is read-only; write elsewhere",
    errno.EACCES: "no permission to write there; change it or write elsewhere",
    errno.EPERM: "no permission to write there; change it or write elsewhere",
    errno.ENOENT: "no file can be made in that folder, or it was removed; write elsewhere",
    errno.EEXIST: "a part of this path is a file, not a folder; write elsewhere",
    errno.ENOTDIR: "a part of this path is a file, not a folder; write elsewhere",
    errno.EISDIR: "this is a folder; name a file in it",
    errno.ENAMETOOLONG: "the name is too long for the file system; shorten it",
}


class _State(Enum):
    WRITING = "writing"
    SEALED = "sealed"
    PUBLISHED = "published"
    DISCARDED = "discarded"


class StagedFile:
    """Owns the `.part` file from construction until `publish` or `discard`.

    Attributes:
        path: where the file will appear.
        file: open for reading and writing; valid until `seal`.
        took_over: a killed run had left its `.part` file.
    """

    def __init__(self, path: Path, *, force: bool = False, durable: bool = True) -> None:
        """Make missing folders and the `.part` file.

        Args:
            path: the target.
            force: replace a target that exists.
            durable: False leaves it to the system when the bytes reach the disk: a file that is read again at once,
                and of no use to a later run.

        Raises:
            OutputExists: the target exists, and not `force`.
            OutputFailed: the file can't be made, or another process is writing it.
        """
        self.path = path
        self._force = force
        self._durable = durable
        self._part = part_path(path)
        self._refuse_existing()
        with output_errors(path):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            path.parent.mkdir(parents=True, exist_ok=True)
            self.took_over = self._part.exists()
            descriptor = _open_locked(self._part)
            self.file: BinaryIO = os.fdopen(descriptor, "r+b")
            self._state = _State.WRITING

    def __repr__(self) -> str:
        return f"<StagedFile {self.path.name} {self._state.value}>"

    def seal(self) -> None:
        """Bring every byte to disk; nothing is visible yet. Raises OutputFailed."""
        with output_errors(self.path):
            self.file.flush()
            if self._durable:
                os.fsync(self.file.fileno())
        self._state = _State.SEALED

    def publish(self) -> None:
        """Give the sealed file its name, durably. Raises OutputExists, OutputFailed."""
        if self._state is not _State.SEALED:
            raise RuntimeError(f"{self!r} is not sealed")
        self._refuse_existing()
        with output_errors(self.path):
            self._part.replace(self.path)
            self._state = _State.PUBLISHED
            self.file.close()
            if self._durable:
                sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove the `.part` file. Does nothing once published or discarded; never raises."""
        if self._state in (_State.PUBLISHED, _State.DISCARDED):
            return
        self._state = _State.DISCARDED
        with contextlib.suppress(OSError):
            self._part.unlink()
        with contextlib.suppress(OSError):  # a full disk refuses the last flush again; the descriptor is closed
            self.file.close()

    def _refuse_existing(self) -> None:
        if not self._force and self.path.is_file():
            raise OutputExists(f"{self.path}: exists already; choose another name or give --force to replace it")


def part_path(path: Path) -> Path:
    """Where a target's bytes are staged."""
    return path.with_name(path.name + PART_SUFFIX)


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Translate an OSError into OutputFailed: one line that names the output and what to do."""
    try:
        yield
    except OutputFailed:
        raise
    except OSError as exc:
        advice = ADVICE.get(exc.errno or 0) or f"can't be written ({exc.strerror or exc}); check it or write elsewhere"
        raise OutputFailed(f"{path}: {advice}") from exc


def _open_locked(part: Path) -> int:
    """The emptied `.part` file, locked by this process."""
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, part)
            if _names(part, descriptor):
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its writer published or discarded it between our open and our lock


def _lock(descriptor: int, part: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise OutputFailed(f"{part}: another run is writing this file; wait for it or write elsewhere") from exc
    except OSError as exc:
        if exc.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise


def _names(path: Path, descriptor: int) -> bool:
    """Whether the path still names the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno != errno.EINVAL:  # some network and FUSE file systems can't sync a folder
            raise
    finally:
        os.close(descriptor)
