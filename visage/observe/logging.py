"""Log lines: readable on a terminal, one JSON object a line elsewhere. They go to standard error.

Every library's records pass the same way; other libraries speak from WARNING up, Visage from the level asked for.
Addresses lose their credentials here, whoever logged them, and in text what a file's name holds can't forge a line or
move a terminal's cursor.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from visage.config.sources import redact_text
from visage.observe.fields import EVENT, FIELDS
from visage.observe.levels import LogFormat, LogLevel
from visage.observe.printable import printable

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
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if log_format == "text" else "iso", utc=log_format == "json"),
        # As text and without the frames' variables, which may hold an address or a face.
        structlog.processors.format_exc_info,
        _without_credentials,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, LOG_LEVELS[level]))
    for name in OURS:
        logging.getLogger(name).setLevel(LOG_LEVELS[level])


class _StandardError(logging.Handler):
    """Looks `sys.stderr` up for every record: a progress bar puts itself there to keep its line below the log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # a log line must not stop what it reports
            self.handleError(record)


def _renderers(log_format: LogFormat) -> Iterable[Processor]:
    if log_format == "json":
        return (structlog.processors.EventRenamer("message", EVENT), structlog.processors.JSONRenderer(default=str))
    return (
        _without_fields,
        _on_one_line,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        ),
    )


def _without_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in FIELDS:
        event.pop(name, None)
    return event


def _on_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):  # anything else is rendered by `repr`, which spells such characters out
            event[key] = printable(value, keep="\n\t" if key in ("exception", "stack") else "")
    return event


def _without_credentials(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact_text(value)
    return event
