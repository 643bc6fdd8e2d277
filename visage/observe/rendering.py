"""How a log line looks: structlog's renderers behind the standard library's records.

A module of its own because structlog takes a third of a second to import, and most runs log nothing.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from visage.config.sources import redact_text
from visage.observe.fields import EVENT, FIELDS
from visage.observe.printable import printable

__all__ = ["line_formatter"]


def line_formatter(log_format: Literal["text", "json"]) -> logging.Formatter:
    """Return what turns a record into one line of text, or into one JSON object."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(
                fmt="%H:%M:%S" if log_format == "text" else "iso", utc=log_format == "json"
            ),
            # As text and without the frames' variables, which may hold an address or a face.
            structlog.processors.format_exc_info,
            _without_credentials,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(log_format)],
    )


def _renderers(log_format: Literal["text", "json"]) -> Iterable[Processor]:
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
