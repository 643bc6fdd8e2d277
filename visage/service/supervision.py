"""Keeps a task going through failures that pass, such as a full disk: told once, tried again after growing waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine

import anyio

from visage.observe.fields import about
from visage.service.backoff import Backoff

__all__ = ["keep_running"]

RETRY_FIRST_SECONDS = 1.0
RETRY_MOST_SECONDS = 60.0

logger = logging.getLogger(__name__)


def keep_running(
    name: str,
    task: Callable[[], Coroutine[object, object, None]],
    *,
    after: tuple[type[Exception], ...],
    backoff: Backoff | None = None,
) -> Callable[[], Coroutine[object, object, None]]:
    """The same task, begun again whenever it ends by one of these errors. Every other error is a bug and passes."""
    waits = backoff or Backoff(RETRY_FIRST_SECONDS, RETRY_MOST_SECONDS)

    async def run() -> None:
        while True:
            started = time.monotonic()
            try:
                await task()
                return
            except after as error:
                if time.monotonic() - started > RETRY_MOST_SECONDS:
                    waits.reset()
                if not waits.failures:
                    logger.error("%s: %s; trying again", name, error, extra=about("task.failed", error=error))
            await anyio.sleep(waits.next_seconds())

    return run
