"""Wakes a waiting task from any thread: `set` on the one side, `wait` in the event loop on the other."""

from __future__ import annotations

import asyncio
import contextlib

import anyio

__all__ = ["Wake"]


class Wake:
    """A flag that one task waits for, again and again; set while it does not wait, it is remembered once.

    `set` is safe from any thread.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = anyio.Event()
        self._is_set = False

    def set(self) -> None:
        """Wake the waiting task, or the next one that waits. Any thread may call it; raises nothing."""
        self._is_set = True  # before the loop is told: a task that is about to wait looks here last
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait at most this many seconds for the flag, and clear it; return whether it was set."""
        self._loop = asyncio.get_running_loop()
        self._event = anyio.Event()
        if not self._is_set:
            with anyio.move_on_after(timeout_seconds):
                await self._event.wait()
        was_set, self._is_set = self._is_set, False
        return was_set
