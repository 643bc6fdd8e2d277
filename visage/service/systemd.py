"""Notifies systemd that the daemon is ready, alive or stopping: the protocol of sd_notify(3).

Elsewhere it does nothing.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Callable, Mapping

__all__ = ["Notifier"]

logger = logging.getLogger(__name__)


class Notifier:
    """Sends states to the socket in NOTIFY_SOCKET; does nothing without one. Never raises."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte of an abstract socket.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = int(environment.get("WATCHDOG_USEC", "0") or 0)
        self.watchdog_seconds: float | None = microseconds / 2e6 if microseconds else None
        """How often it is fed: twice in the time after which systemd would restart us. None: it does not ask."""
        self._fed_at = -math.inf

    def ready(self) -> None:
        """Notify systemd that the daemon has started (READY=1)."""
        self._send("READY=1")

    def tick(self, problem: Callable[[], str], status: str) -> None:
        """To be called every second or so: feeds the watchdog in time, unless there is a problem.

        `problem`: says what is wrong; empty if all is well. `status` is shown by `systemctl status`.
        """
        if self.watchdog_seconds is None or time.monotonic() - self._fed_at < self.watchdog_seconds:
            return
        if not problem():
            self._send(f"WATCHDOG=1\nSTATUS={status}")
            self._fed_at = time.monotonic()

    def stopping(self) -> None:
        """Notify systemd that the daemon is stopping (STOPPING=1)."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(state.encode(), self._address)
        except OSError as error:
            logger.warning("cannot send %s to systemd: %s", state.partition("\n")[0], error.strerror)
