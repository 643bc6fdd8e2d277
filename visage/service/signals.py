"""What signals mean to the daemon: SIGTERM and Ctrl-C stop it, SIGHUP reloads."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable

import anyio
import anyio.to_thread

from visage.observe.fields import about
from visage.service.errors import ServiceError
from visage.stop_requests import StopRequests

__all__ = ["obey_signals"]

logger = logging.getLogger(__name__)


async def obey_signals(
    stop: Callable[[], None], reload: Callable[[], object], *, requests: StopRequests | None = None
) -> None:
    """Handle signals until cancelled.

    Args:
        stop: called in the event loop for each SIGINT and SIGTERM that is not a repeat of one just sent.
        reload: called on a worker thread for each SIGHUP. Whatever it raises is logged, and the daemon goes on.
    """
    requests = requests or StopRequests()
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async for number in signals:
            if number is not signal.SIGHUP:
                if not requests.is_repeat():
                    stop()
                continue
            try:
                await anyio.to_thread.run_sync(reload)
            except (ValueError, ServiceError) as error:
                logger.error("reload: %s", error, extra=about("reload.refused", error=error))
            except Exception as error:  # the edge of a reload: cameras that run are worth more than a new file
                logger.exception(
                    "reload failed; the former configuration stays in use", extra=about("reload.failed", error=error)
                )
