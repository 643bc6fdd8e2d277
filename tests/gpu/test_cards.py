"""Several cards in one machine: a pipeline each, the sources spread over them. With one card these skip."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from stages.backends.availability import Gpu, list_gpus
from stages.buffers.cuda import CudaDevice
from tests.media import Media
from visage import analyze
from visage.assembly.spread import tasks_for
from visage.bench.clip import ClipRecipe, make_clip
from visage.config import Settings
from visage.config.sources import expand_sources
from visage.models import ModelStore
from visage.results import AnalyzedFrame

CLIPS = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cards(device: CudaDevice) -> list[Gpu]:
    found = list_gpus()
    if len(found) < 2:
        pytest.skip("this machine has one card")
    return found


@pytest.fixture(scope="module")
def clips(media: Media, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same film under several names."""
    folder = tmp_path_factory.mktemp("films")
    make_clip(folder / "0.mp4", ClipRecipe(frames=60), media.path)
    for number in range(1, CLIPS):
        (folder / f"{number}.mp4").hardlink_to(folder / "0.mp4")
    return sorted(folder.iterdir())


def settings_for(models: ModelStore, device: str) -> Settings:
    return Settings(device=device, backend="tensorrt", model_dir=models.model_dir)


def by_source(clips: list[Path], settings: Settings) -> dict[str, list[AnalyzedFrame]]:
    frames: dict[str, list[AnalyzedFrame]] = defaultdict(list)
    for frame in analyze(clips, settings):
        frames[frame.source_id].append(frame)
    return dict(frames)


def assert_same(found: list[AnalyzedFrame], expected: list[AnalyzedFrame]) -> None:
    assert [frame.index for frame in found] == [frame.index for frame in expected]
    for one, other in zip(found, expected, strict=True):
        assert len(one.faces) == len(other.faces) > 0
        for face, same in zip(one.faces, other.faces, strict=True):
            np.testing.assert_allclose(face.box_xyxy, same.box_xyxy, atol=0.5)
            assert face.embedding is not None
            assert same.embedding is not None
            assert float(face.embedding @ same.embedding) > 0.999


def test_the_second_card_finds_what_the_first_does(cards: list[Gpu], clips: list[Path], models: ModelStore) -> None:
    first, second = (by_source(clips[:1], settings_for(models, f"cuda:{card.ordinal}")) for card in cards[:2])
    (expected,), (found,) = first.values(), second.values()
    assert len(expected) == 60
    assert_same(found, expected)


def test_all_cards_share_the_files(cards: list[Gpu], clips: list[Path], models: ModelStore) -> None:
    settings = settings_for(models, "cuda")
    tasks = tasks_for(settings, expand_sources(list(map(str, clips))), log_level=30)
    assert {task.settings.device for task in tasks} == {f"cuda:{card.ordinal}" for card in cards}
    frames = by_source(clips, settings)
    assert len(frames) == CLIPS
    expected, *others = frames.values()
    assert len(expected) == 60
    for found in others:
        assert_same(found, expected)
