"""Order between threads that share memory: streams run work in sequence, events mark a point in one.

On the host a call has finished when it returns, so `HostStream` and `HOST_EVENT` do nothing. A CUDA stream only queues
work: who hands a buffer on records an event, and the next owner's stream waits for it on the device, not on the CPU.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["HOST_EVENT", "Event", "HostStream", "Stream"]


class Event(Protocol):
    """A point in the work of a stream. `synchronize` raises BackendError where the device failed."""

    @property
    def is_done(self) -> bool:
        """Whether all work before the point has finished; asking never blocks."""

    def synchronize(self) -> None:
        """Block the calling thread until all work before the point has finished. Raises BackendError."""


class Stream(Protocol):
    """A sequence of work on one device. Its methods raise BackendError where the device failed."""

    def record(self) -> Event:
        """Return an event at this point: after everything queued so far."""

    def wait(self, event: Event) -> None:
        """Let later work of this stream start only after `event`; the caller is not blocked."""

    def synchronize(self) -> None:
        """Block the calling thread until everything queued has finished. Raises BackendError."""


class _HostEvent:
    """Host work is done when the call that did it returns."""

    @property
    def is_done(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass


HOST_EVENT: Event = _HostEvent()


class HostStream:
    """Implements `Stream` for a thread that works in host memory, where work is done when its call returns."""

    def record(self) -> Event:
        """Return an event that is done already."""
        return HOST_EVENT

    def wait(self, event: Event) -> None:
        """Block until the event has passed. Raises what its device raises: BackendError."""
        event.synchronize()

    def synchronize(self) -> None:
        """Do nothing: no work is queued."""
        pass
