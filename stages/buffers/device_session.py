"""What one stage holds on its device: the stream its work is queued on, and everything to free with it.

Whoever assembles a stage makes the session, on any thread, and lets it own the stage's parts; the stage opens and
closes it on its own thread. Parts are closed in the reverse order of `own`, each even if another one failed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol, TypeVar

from stages.buffers.stream import HostStream, Stream

__all__ = ["DeviceSession"]


class DeviceSession:
    """Owns a stage's parts and its stream. As a context manager it closes itself if the block fails."""

    def __init__(self, stream: Stream | None = None, *, attach: Callable[[], object] | None = None) -> None:
        """
        Args:
            stream: where the stage queues its work; the host's by default.
            attach: called on the stage's thread before its first batch: a card has to be made current there.
        """
        self.stream = stream or HostStream()
        self._attach = attach
        self._parts = ExitStack()

    def __enter__(self) -> DeviceSession:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        if kind is not None:
            self.close()

    def own(self, part: PartT) -> PartT:
        """Return `part`, which is from now on closed with the session."""
        self._parts.callback(part.close)
        return part

    def open(self) -> None:
        """Attach the calling thread to the device."""
        if self._attach is not None:
            self._attach()

    def close(self) -> None:
        """Close all parts. Safe to call twice; raises what a part raised, after the others were closed."""
        self._parts.close()


class _Closable(Protocol):
    def close(self) -> None: ...


PartT = TypeVar("PartT", bound=_Closable)
