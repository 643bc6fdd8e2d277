"""Options that several commands share."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from visage.home import expand_home
from visage.observe.levels import LogFormat, LogLevel

__all__ = ["LogFormatOption", "LogLevelOption", "ModelDirOption", "parse_output", "parse_seconds"]

REPORTING = "Reporting"
SIXTY = 60
TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")

LogLevelOption: TypeAlias = Annotated[
    LogLevel,
    typer.Option(help="Minimum level of log lines; debug adds tracebacks to errors.", rich_help_panel=REPORTING),
]
LogFormatOption: TypeAlias = Annotated[
    LogFormat,
    typer.Option(help="Format of log lines; auto: text on a terminal, JSON elsewhere.", rich_help_panel=REPORTING),
]
ModelDirOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="Folder for models.", show_default="~/.visage/models")
]


def parse_output(text: str) -> Path:
    """Where to write. Raises typer.BadParameter for an empty name, such as a shell variable that is not set."""
    if not text:
        raise typer.BadParameter("the name is empty; name a folder or a file")
    return expand_home(text)


def parse_seconds(text: str) -> float:
    """Seconds of a time written as "90", "1:30" or "0:01:30.5". Raises typer.BadParameter."""
    found = TIME.fullmatch(text.strip())
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, math.nan)
    # 90 s and 90:00 are times, 1:90 and 1:90:00 are slips.
    if math.isnan(seconds) or (hours and minutes >= SIXTY) or (hours + minutes and seconds >= SIXTY):
        raise typer.BadParameter(f"{text!r} is not a time: write seconds, mm:ss or hh:mm:ss")
    return hours * 3600 + minutes * 60 + seconds
