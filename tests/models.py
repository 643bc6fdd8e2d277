"""The real models for tests, fetched once and kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from visage.models import ModelStore

__all__ = ["models"]


@pytest.fixture(scope="session")
def models() -> ModelStore:
    """A store under $VISAGE_TEST_CACHE, or ~/.cache/visage-tests."""
    return ModelStore(Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")) / "models")
