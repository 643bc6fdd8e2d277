"""A pipeline that can't be made leaves nothing of what it was to be made of."""

from __future__ import annotations

import pytest

from stages.contract import Stage
from stages.errors import BackendError
from stages.frames import Observation
from tests.runtime.scripted import ScriptedLuma
from tests.runtime.test_port import ScriptedPlatform
from visage.assembly.build import build
from visage.config import Settings


class Failing(ScriptedPlatform):
    """One of its parts can't be made."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.is_closed = False
        self.luma = ScriptedLuma()
        self._part = part

    def open_patch_reader(self) -> ScriptedLuma:
        if self._part == "luma":
            raise BackendError("the GPU is out of memory")
        return self.luma

    def embed_stage(self, *, release_pixels: bool, averages_mirrored: bool = False) -> Stage[Observation, Observation]:
        if self._part == "embed":
            raise BackendError("the GPU is out of memory")
        return super().embed_stage(release_pixels=release_pixels, averages_mirrored=averages_mirrored)

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(("part", "tracks"), [("embed", False), ("embed", True), ("luma", True)])
def test_what_was_made_before_a_failure_is_closed(part: str, tracks: bool) -> None:
    platform = Failing(part)
    with pytest.raises(BackendError, match="out of memory"):
        build(Settings(track=tracks), [], open_sinks=lambda info, pictures: [], platform=platform)
    assert platform.detect.is_closed
    assert platform.is_closed
    assert (platform.luma.closed_on is not None) == (part == "embed" and tracks)
