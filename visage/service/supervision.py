"""Keeps a task running through passing failures, such as a full disk: logged once, tried again after growing waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine

import anyio

from visage.observe.fields import about
from visage.service.backoff import Backoff

__all__ = ["keep_running", "leaves"]

FIRST_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 60.0

logger = logging.getLogger(__name__)


def keep_running(
    name: str,
    task: Callable[[], Coroutine[object, object, None]],
    *,
    after: tuple[type[Exception], ...],
    backoff: Backoff | None = None,
) -> Callable[[], Coroutine[object, object, None]]:
    """Return a task that runs `task` again whenever it ends with errors of the types `after` alone.

    Any other error is a bug and is raised.
    """
    waits = backoff or Backoff(FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS)

    async def run() -> None:
        while True:
            started = time.monotonic()
            try:
                await task()
                return
            except Exception as error:
                if not all(isinstance(leaf, after) for leaf in leaves(error)):
                    raise
                if time.monotonic() - started > MAX_RETRY_SECONDS:
                    waits.reset()
                if not waits.failures:
                    first = leaves(error)[0]
                    logger.error("%s: %s; trying again", name, first, extra=about("task.failed", error=first))
            await anyio.sleep(waits.next_seconds())

    return run


def leaves(error: BaseException) -> list[BaseException]:
    """The error itself or, of a group as task groups raise it, all the errors in it."""
    members = getattr(error, "exceptions", None)  # Python 3.10 has no class of its own for groups
    return [error] if members is None else [leaf for member in members for leaf in leaves(member)]
