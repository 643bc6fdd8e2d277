"""From a thread to a coroutine that waits: `set` on any thread, `wait` in the event loop that made it."""

from __future__ import annotations

import asyncio
import contextlib

import anyio

__all__ = ["Wake"]


class Wake:
    """An event that one coroutine waits for, again and again. Made in its event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def set(self) -> None:
        """From any thread. A loop that has closed is left alone: nobody waits any more."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for `set`, at most so long; says whether it came."""
        with anyio.move_on_after(timeout_seconds):
            await self._event.wait()
        is_set = self._event.is_set()
        self._event.clear()
        return is_set
