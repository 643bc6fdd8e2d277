"""Bells that tell a coroutine, without sleeping, that another thread or task may have changed what it waits for."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from typing_extensions import ParamSpec

__all__ = ["Bell"]

P = ParamSpec("P")
T = TypeVar("T")


class Bell:
    """Rung on any thread after every change that matters; `until` asks again at each ring."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def ring(self) -> None:
        """From any thread."""
        with self._lock:  # whoever has heard it may close its loop at once
            for loop, event in self._waiting:
                loop.call_soon_threadsafe(event.set)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once it holds. The caller's scope bounds the wait."""
        own = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._waiting.add(own)
        try:
            while not holds():
                await own[1].wait()
                own[1].clear()
        finally:
            with self._lock:
                self._waiting.discard(own)

    def after(self, call: Callable[P, T]) -> Callable[P, T]:
        """The same call, which rings when it has returned or raised."""

        def ringing(*arguments: P.args, **named: P.kwargs) -> T:
            try:
                return call(*arguments, **named)
            finally:
                self.ring()

        return ringing

    def before(self, call: Callable[P, T]) -> Callable[P, T]:
        """The same call, which rings before it begins."""

        def ringing(*arguments: P.args, **named: P.kwargs) -> T:
            self.ring()
            return call(*arguments, **named)

        return ringing

    @contextmanager
    def at_log_lines(self) -> Iterator[None]:
        """Ring for each line that is logged, after the handlers that were there before have taken it."""
        handler = logging.Handler()
        handler.emit = lambda record: self.ring()  # type: ignore[method-assign]
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
