"""Forwards a worker's log records to its owner, whose handlers and levels apply to them there."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["pass_logs_on"]

OURS = ("visage", "stages")


def pass_logs_on(send: Callable[[logging.LogRecord], None], level: int) -> None:
    """Forward this process's log records: Visage's own from `level` up, other libraries' from WARNING up.

    Replaces the handlers of the root logger. `send` is called on whatever thread logs.
    """
    root = logging.getLogger()
    root.handlers[:] = [_Forwarder(send)]
    root.setLevel(max(level, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(level)


class _Forwarder(logging.Handler):
    """Makes a record fit for another process: its text is made here, traceback included."""

    def __init__(self, send: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            record.msg, record.args = record.getMessage(), None
            if record.exc_info:
                record.msg += "\n" + logging.Formatter().formatException(record.exc_info)
                record.exc_info = record.exc_text = None
            self._send(record)
        except Exception:  # as every handler: a bad record must not stop who logs
            self.handleError(record)
