"""The daemon's face to people and programs: HTTP API, events, live pictures and the page at `/`.

Written against the ports in `ports.py`; it knows neither the pipeline nor a database. What needs FastAPI, an extra, is
imported when it is asked for: settings and tokens are read without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from visage.config.web import WebSettings

if TYPE_CHECKING:
    from visage.web.app import create_app
    from visage.web.context import WebParts
    from visage.web.server import WebServer

__all__ = ["WebParts", "WebServer", "WebSettings", "create_app"]

HOMES = {"WebParts": "context", "WebServer": "server", "create_app": "app"}


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)
