"""Log lines: readable on a terminal, one JSON object a line elsewhere. They go to standard error.

Every library's records pass the same way; other libraries speak from WARNING up, Visage from the level asked for.
Addresses lose their credentials here, whoever logged them, and in text what a file's name holds can't forge a line or
move a terminal's cursor.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal

from visage.observe.levels import LogFormat, LogLevel

__all__ = ["LOG_LEVELS", "configure_logging"]

TRACE = 5
LOG_LEVELS: dict[LogLevel, int] = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "off": logging.CRITICAL + 1,
}
OURS = ("visage", "stages")


def configure_logging(level: LogLevel = "info", log_format: LogFormat = "auto") -> None:
    """Set up the logging of the process, to standard error; a later call replaces an earlier one.

    Args:
        level: of Visage's own loggers. "off" silences the other libraries' too.
        log_format: "auto" is text on a terminal and JSON otherwise.
    """
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    logging.addLevelName(TRACE, "TRACE")
    handler = _StandardError(log_format)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, LOG_LEVELS[level]))
    for name in OURS:
        logging.getLogger(name).setLevel(LOG_LEVELS[level])


class _StandardError(logging.Handler):
    """Looks `sys.stderr` up for every record: a progress bar puts itself there to keep its line below the log."""

    def __init__(self, log_format: Literal["text", "json"]) -> None:
        super().__init__()
        self._log_format = log_format

    def format(self, record: logging.LogRecord) -> str:
        if self.formatter is None:
            from visage.observe.rendering import line_formatter  # noqa: PLC0415 - see there

            self.formatter = line_formatter(self._log_format)
        return super().format(record)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # a log line must not stop what it reports
            self.handleError(record)
