"""The people of a gallery in worker processes: a snapshot of vectors in memory that all workers share.

The vectors lie in anonymous memory (memfd), which each worker maps and none copies. It goes with the last process that
holds it, so that a run that is killed leaves no biometric data on a disk. When the gallery changes, the owner sends a
new snapshot; workers take it between two batches.
"""

from __future__ import annotations

import mmap
import os
import pickle
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from stages.identify.roster import Roster

__all__ = ["RosterMessage", "RosterSnapshot", "SharedRoster"]

ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class RosterMessage:
    """Announces a snapshot, whose file descriptor follows. `record` is the pickled roster without its arrays."""

    record: bytes
    sizes: tuple[int, ...]


class RosterSnapshot:
    """A roster in shared memory, at its owner. Close it when no other worker is to get it."""

    def __init__(self, roster: Roster) -> None:
        buffers: list[pickle.PickleBuffer] = []
        record = pickle.dumps(roster, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        self._message = RosterMessage(record, tuple(view.nbytes for view in views))
        self._descriptor = os.memfd_create("roster")
        with os.fdopen(os.dup(self._descriptor), "wb") as file:
            for start, view in zip(_starts(self._message.sizes), views, strict=True):
                file.seek(start)
                file.write(view)

    def send(self, connection: Connection) -> None:
        """Send it to a worker. Raises OSError."""
        connection.send(self._message)
        with socket.socket(fileno=os.dup(connection.fileno())) as channel:
            socket.send_fds(channel, [b"r"], [self._descriptor])

    def close(self) -> None:
        """Close the descriptor; the memory is freed once no worker maps it.

        To be called once, by whoever made the snapshot.
        """
        os.close(self._descriptor)


class SharedRoster:
    """The people of the last snapshot, in a worker. Implements `stages.identify.roster.KnownPeople`."""

    def __init__(self, threshold: float, margin: float) -> None:
        self.threshold = threshold
        self.margin = margin
        self._roster = Roster.empty(1)  # the first snapshot comes before the first source

    def roster(self) -> Roster:
        """Return the people of the last snapshot. Safe from any thread."""
        return self._roster

    def receive(self, message: RosterMessage, connection: Connection) -> None:
        """Map the snapshot whose descriptor comes next. Raises OSError, EOFError."""
        with socket.socket(fileno=os.dup(connection.fileno())) as channel:
            _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if not descriptors:
            raise EOFError("the owner has gone")
        with os.fdopen(descriptors[0], "rb") as file:
            length = os.fstat(file.fileno()).st_size
            memory = memoryview(mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ) if length else b"")
        starts = _starts(message.sizes)
        buffers = [memory[start : start + size] for start, size in zip(starts, message.sizes, strict=True)]
        self._roster = pickle.loads(message.record, buffers=buffers)


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where each array begins."""
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return starts
