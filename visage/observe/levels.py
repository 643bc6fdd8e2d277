"""The names of log levels and formats, apart from what implements them: the command line needs only the names."""

from __future__ import annotations

from typing import Literal

__all__ = ["LogFormat", "LogLevel"]

LogFormat = Literal["auto", "text", "json"]
LogLevel = Literal["trace", "debug", "info", "warn", "warning", "error", "critical", "off"]
