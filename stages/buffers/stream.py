"""Order between threads that share memory: streams run work in sequence, events mark a point in one.

On the host a call has finished when it returns, so `HostStream` and `HOST_EVENT` do nothing. A CUDA stream only queues
work: who hands a buffer on records an event, and the next owner's stream waits for it on the device, not on the CPU.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["HOST_EVENT", "Event", "HostStream", "Stream"]


class Event(Protocol):
    """A point in a stream's work."""

    @property
    def is_done(self) -> bool:
        """Whether all work before the point has finished; never blocks."""

    def synchronize(self) -> None:
        """Block the calling thread until it has."""


class Stream(Protocol):
    """A sequence of work on one device."""

    def record(self) -> Event:
        """Mark the point after everything queued so far."""

    def wait(self, event: Event) -> None:
        """Let later work of this stream start only after `event`; does not block the caller."""

    def synchronize(self) -> None:
        """Block the calling thread until everything queued has finished."""


class _HostEvent:
    """Host work is done when the call that did it returns."""

    @property
    def is_done(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass


HOST_EVENT: Event = _HostEvent()


class HostStream:
    """Implements `Stream` for a thread that works in host memory."""

    def record(self) -> Event:
        return HOST_EVENT

    def wait(self, event: Event) -> None:
        event.synchronize()

    def synchronize(self) -> None:
        pass
