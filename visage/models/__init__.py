"""Models: what there is, where it comes from, and how it becomes a network that every backend runs."""

from __future__ import annotations

from visage.models.errors import ModelDamaged, ModelError, ModelUnavailable, UnknownModel
from visage.models.fetch import Progress
from visage.models.lookup import detector_spec, embedder_spec
from visage.models.registry import DetectorSpec, EmbedderSpec, ModelSpec, load_catalog
from visage.models.store import ModelStore
from visage.models.verification import FileCheck, FileState, Verification

__all__ = [
    "DetectorSpec",
    "EmbedderSpec",
    "FileCheck",
    "FileState",
    "ModelDamaged",
    "ModelError",
    "ModelSpec",
    "ModelStore",
    "ModelUnavailable",
    "Progress",
    "UnknownModel",
    "Verification",
    "detector_spec",
    "embedder_spec",
    "load_catalog",
]
