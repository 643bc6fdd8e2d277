"""Latches that let a test know, without sleeping, that a thread has begun to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

BOUND_SECONDS = 10.0
"""Longest that a test waits for anything; reached only where something is broken."""


def announce_wait(monkeypatch: pytest.MonkeyPatch, condition: threading.Condition) -> threading.Event:
    """An event set when a thread starts to wait on the condition.

    The waiting thread holds the condition's lock when it sets the event and gives it up by waiting, so whoever needs
    that lock acts after the wait has begun.
    """
    waiting = threading.Event()
    original = condition.wait

    def wait(timeout: float | None = None) -> bool:
        waiting.set()
        return original(timeout)

    monkeypatch.setattr(condition, "wait", wait)
    return waiting


class Background:
    """A call on another thread, whose result or exception `result` returns or raises."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._error: BaseException | None = None
        self._value: object = None
        self._thread = threading.Thread(target=self._run, name="background")
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> object:
        self._thread.join(BOUND_SECONDS)
        assert not self._thread.is_alive(), "the call did not return"
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as exc:
            self._error = exc
