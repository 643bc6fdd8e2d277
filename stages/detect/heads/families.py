"""The families of detectors that this folder holds, by the names of their modules."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from stages.detect.heads.base import HeadFamily
from stages.errors import ModelMismatch

__all__ = ["families", "head_family"]

_PACKAGE = "stages.detect.heads"


def head_family(name: str) -> HeadFamily:
    """The family of this name. Raises ModelMismatch, with the names there are."""
    known = families()
    if name not in known:
        raise ModelMismatch(f"there is no detector head {name!r}; there is: {', '.join(known)}")
    return known[name]


@cache
def families() -> dict[str, HeadFamily]:
    """Return all families by name, sorted."""
    return dict(_find())


def _find() -> Iterator[tuple[str, HeadFamily]]:
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda found: found.name):
        if module.ispkg:  # the heads on cards, which import CUDA for Python, an extra
            continue
        family = getattr(importlib.import_module(f"{_PACKAGE}.{module.name}"), "FAMILY", None)
        if isinstance(family, HeadFamily):
            yield module.name, family
