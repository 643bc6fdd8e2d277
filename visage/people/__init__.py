"""People: enrolled with a name, recognised in the pipeline, gathered where unknown, found again, forgotten."""

from __future__ import annotations

from visage.people.gallery import Gallery, open_gallery
from visage.people.gallery_session import GallerySession, gallery_of
from visage.people.reader import FaceReader, PortraitFace, choose_face
from visage.people.recorder import SightingRecorder
from visage.people.sink import SightingSink

__all__ = [
    "FaceReader",
    "Gallery",
    "GallerySession",
    "PortraitFace",
    "SightingRecorder",
    "SightingSink",
    "choose_face",
    "gallery_of",
    "open_gallery",
]
