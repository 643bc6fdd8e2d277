"""Visage finds and recognises faces in video.

`for frame in visage.analyze("movie.mkv")` gives every frame with its faces; `analyze_async` does so in an event loop.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.errors import (
        BackendError,
        BackendUnavailable,
        NotAVideo,
        SourceBroken,
        SourceError,
        SourceNotFound,
        SourceUnreadable,
    )
    from visage.analysis import analyze, analyze_async, analyze_frames, scan
    from visage.config import Settings
    from visage.models.errors import ModelError, ModelUnavailable, UnknownModel
    from visage.people import Gallery, open_gallery
    from visage.people.errors import NoSuchPerson, PeopleError, PictureRefused
    from visage.results import AnalyzedFrame, Face
    from visage.runtime.errors import StageFailed

__all__ = [
    "AnalyzedFrame",
    "BackendError",
    "BackendUnavailable",
    "Face",
    "Gallery",
    "ModelError",
    "ModelUnavailable",
    "NoSuchPerson",
    "NotAVideo",
    "PeopleError",
    "PictureRefused",
    "Settings",
    "SourceBroken",
    "SourceError",
    "SourceNotFound",
    "SourceUnreadable",
    "StageFailed",
    "UnknownModel",
    "__version__",
    "analyze",
    "analyze_async",
    "analyze_frames",
    "open_gallery",
    "scan",
]

__version__ = "0.1.0"

_HOMES = {
    "AnalyzedFrame": "visage.results",
    "BackendError": "stages.errors",
    "BackendUnavailable": "stages.errors",
    "Face": "visage.results",
    "Gallery": "visage.people",
    "ModelError": "visage.models.errors",
    "ModelUnavailable": "visage.models.errors",
    "NoSuchPerson": "visage.people.errors",
    "NotAVideo": "stages.errors",
    "PeopleError": "visage.people.errors",
    "PictureRefused": "visage.people.errors",
    "Settings": "visage.config",
    "SourceBroken": "stages.errors",
    "SourceError": "stages.errors",
    "SourceNotFound": "stages.errors",
    "SourceUnreadable": "stages.errors",
    "StageFailed": "visage.runtime.errors",
    "UnknownModel": "visage.models.errors",
    "analyze": "visage.analysis",
    "analyze_async": "visage.analysis",
    "analyze_frames": "visage.analysis",
    "open_gallery": "visage.people",
    "scan": "visage.analysis",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used: `visage --help` needs neither FFmpeg nor OpenVINO."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
