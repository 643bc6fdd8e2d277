"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from visage.observe.levels import LogFormat, LogLevel

__all__ = ["LogFormatOption", "LogLevelOption", "ModelDirOption", "parse_seconds"]

REPORTING = "Reporting"
TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")

LogLevelOption: TypeAlias = Annotated[
    LogLevel, typer.Option(help="How much to log; debug adds tracebacks to errors.", rich_help_panel=REPORTING)
]
LogFormatOption: TypeAlias = Annotated[
    LogFormat, typer.Option(help="auto: text on a terminal, JSON elsewhere.", rich_help_panel=REPORTING)
]
ModelDirOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="Where models are kept.", show_default="~/.visage/models")
]


def parse_seconds(text: str) -> float:
    """Seconds of a time written as "90", "1:30" or "0:01:30.5". Raises typer.BadParameter."""
    found = TIME.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a time: write seconds, mm:ss or hh:mm:ss")
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
