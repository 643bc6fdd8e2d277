"""The real models for tests, fetched once and kept between runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from visage.models import ModelStore

__all__ = ["Seed", "models", "seed"]

Seed = Callable[..., ModelStore]


@pytest.fixture(scope="session")
def models() -> ModelStore:
    """A store under $VISAGE_TEST_CACHE, or ~/.cache/visage-tests. For reading: `seed` gives one to write into."""
    return ModelStore(Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")) / "models")


@pytest.fixture
def seed(models: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Seed:
    """A function from models' names to a store in a folder of its own, which has these models and nothing else.

    Copies: tests damage them.
    """

    def seeded(*names: str) -> ModelStore:
        folder = tmp_path_factory.mktemp("models")
        for name in names:
            for path in (models.fetch(name), models.prepared(name)):
                shutil.copy(path, folder)
        return ModelStore(folder)

    return seeded
