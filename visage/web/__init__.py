"""The daemon's face to people and programs: HTTP API, events, live pictures and the page at `/`.

Written against the ports in `ports.py`; it knows neither the pipeline nor a database.
"""

from __future__ import annotations

from visage.web.app import WebParts, create_app
from visage.web.server import WebServer
from visage.web.settings import WebSettings

__all__ = ["WebParts", "WebServer", "WebSettings", "create_app"]
