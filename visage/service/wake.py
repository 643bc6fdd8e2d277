"""Wakes a task from any thread."""

from __future__ import annotations

import asyncio
import contextlib

import anyio

__all__ = ["Wake"]


class Wake:
    """A flag that a task waits for; set while nobody waits, it is remembered once."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = anyio.Event()
        self._is_set = False

    def set(self) -> None:
        """From any thread."""
        self._is_set = True
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_seconds: float) -> None:
        """Until it is set, or so long; then it is unset."""
        self._loop = asyncio.get_running_loop()
        self._event = anyio.Event()
        if not self._is_set:
            with anyio.move_on_after(timeout_seconds):
                await self._event.wait()
        self._is_set = False
