"""Visage finds and recognises faces in video.

`for frame in visage.analyze("movie.mkv")` gives every frame with its faces; `analyze_async` does so in an event loop.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visage.analysis import analyze, analyze_async
    from visage.config import Settings
    from visage.people import Gallery, open_gallery
    from visage.results import AnalyzedFrame, Face

__all__ = ["AnalyzedFrame", "Face", "Gallery", "Settings", "__version__", "analyze", "analyze_async", "open_gallery"]

__version__ = "0.1.0"

_HOMES = {
    "AnalyzedFrame": "visage.results",
    "Face": "visage.results",
    "Gallery": "visage.people",
    "Settings": "visage.config",
    "analyze": "visage.analysis",
    "analyze_async": "visage.analysis",
    "open_gallery": "visage.people",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used: `visage --help` needs neither FFmpeg nor OpenVINO."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
