"""Ends what a program has left half read when it exits.

Python waits for all threads before it frees what modules and tracebacks hold. A generator among that, whose threads
wait for a reader, would keep the process from ever ending.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["ExitWatch"]

LOOK_SECONDS = 0.2

JOIN_SECONDS = 1.0
"""At the end of the process the thread may be frozen already."""


class ExitWatch:
    """Calls `abandon`, on its own thread, within 0.2 seconds after the main thread and the last reader have ended."""

    def __init__(self, abandon: Callable[[], None]) -> None:
        self._abandon = abandon
        self._reader = threading.current_thread()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="exit-watch", daemon=True)

    def __enter__(self) -> ExitWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(JOIN_SECONDS)

    def note_reader(self) -> None:
        """Record that the calling thread is the reader now."""
        self._reader = threading.current_thread()

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            if not threading.main_thread().is_alive() and not self._reader.is_alive():
                self._abandon()
                return
