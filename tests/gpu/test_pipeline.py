"""The whole pipeline on a card against the whole pipeline on the CPU, on the same clip."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.buffers.cuda import CudaDevice
from stages.frames import Observation
from stages.sink.base import Sink
from stages.sources import SourceEnded, VideoInfo
from tests.clips import write_clip
from tests.media import Media
from visage import analyze
from visage.assembly import build
from visage.assembly.cuda import CudaPlatform
from visage.config import Settings
from visage.config.sources import expand_sources
from visage.models import ModelStore
from visage.results import AnalyzedFrame, Face

PHOTOGRAPHS = ("obama.jpg", "biden.jpg")
WIDTH, HEIGHT, FRAMES = 1280, 720, 60
SAME_FACE = 0.5

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def clip(media: Media, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs that drift and grow."""
    photographs = [cv2.imread(str(media.path(name))) for name in PHOTOGRAPHS]

    def image(number: int) -> NDArray[np.uint8]:
        canvas = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
        for place, photograph in enumerate(photographs):
            assert photograph is not None
            scale = (0.45 + 0.004 * number) * HEIGHT / photograph.shape[0]
            moved = np.array([[scale, 0, 60 + 600 * place + 2.3 * number], [0, scale, 20 + 1.7 * number]])
            cv2.warpAffine(
                photograph, moved, (WIDTH, HEIGHT), canvas, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT
            )
        return canvas

    path = tmp_path_factory.mktemp("clip") / "faces.mp4"
    return write_clip(path, images=map(image, range(FRAMES)), options={"crf": "18"})


def settings_for(models: ModelStore, device: str) -> Settings:
    backend = "onnxruntime" if device == "cpu" else "tensorrt"
    return Settings(device=device, backend=backend, model_dir=models.model_dir)


def overlap(a: Face, b: Face) -> float:
    """Intersection over union."""
    left, top = np.maximum(a.box_xyxy[:2], b.box_xyxy[:2])
    right, bottom = np.minimum(a.box_xyxy[2:], b.box_xyxy[2:])
    both = max(0.0, float(right - left)) * max(0.0, float(bottom - top))
    areas = [(face.box_xyxy[2] - face.box_xyxy[0]) * (face.box_xyxy[3] - face.box_xyxy[1]) for face in (a, b)]
    return both / (sum(areas) - both)


def test_boxes_and_embeddings_are_the_cpu_s(device: CudaDevice, clip: Path, models: ModelStore) -> None:
    """Issue's bounds: IoU >= 0.95 for 99% of faces, embedding cosine >= 0.99, the same frame numbers."""
    on_card, on_cpu = (
        sorted(analyze(clip, settings_for(models, name)), key=lambda frame: frame.index) for name in ("cuda:0", "cpu")
    )
    assert [(f.index, f.pts_seconds) for f in on_card] == [(f.index, f.pts_seconds) for f in on_cpu]
    assert len(on_card) == FRAMES
    overlaps, cosines = compare(on_card, on_cpu)
    assert len(overlaps) >= 2 * FRAMES
    assert np.mean(np.array(overlaps) >= 0.95) >= 0.99, sorted(overlaps)[:5]
    assert min(cosines) >= 0.99


def compare(found: Sequence[AnalyzedFrame], expected: Sequence[AnalyzedFrame]) -> tuple[list[float], list[float]]:
    """Overlap of every expected face with the found one that overlaps it most, and the cosine if they are one face."""
    overlaps, cosines = [], []
    for ours, theirs in zip(found, expected, strict=True):
        for face in theirs.faces:
            nearest = max(ours.faces, key=lambda other: overlap(face, other), default=None)
            overlaps.append(0.0 if nearest is None else overlap(face, nearest))
            if nearest is not None and overlaps[-1] >= SAME_FACE:
                assert nearest.embedding is not None
                assert face.embedding is not None
                cosines.append(float(nearest.embedding @ face.embedding))
    return overlaps, cosines


class Counter:
    """A sink that counts frames and faces."""

    wants_pixels = False

    def __init__(self) -> None:
        self.frames = 0
        self.faces = 0

    def open(self, info: VideoInfo) -> None:
        pass

    def write(self, observation: Observation) -> None:
        self.frames += 1
        self.faces += len(observation.faces)

    def close(self, ended: SourceEnded) -> None:
        pass

    def abandon(self) -> None:
        pass


def test_less_than_two_kilobytes_a_frame_come_back_and_memory_stays(
    device: CudaDevice, clip: Path, models: ModelStore, tmp_path: Path
) -> None:
    """At two faces a frame, four sources at once; what is allocated does not depend on how long they are."""
    counters: list[Counter] = []
    platforms: list[CudaPlatform] = []

    def open_sinks(info: VideoInfo, platform: object) -> list[Sink]:
        assert isinstance(platform, CudaPlatform)
        platforms.append(platform)
        counters.append(Counter())
        return [counters[-1]]

    for number in range(4):
        shutil.copy(clip, tmp_path / f"{number}.mp4")
    specs = expand_sources([str(tmp_path)])
    with build(settings_for(models, "cuda:0"), specs, open_sinks=open_sinks) as pipeline:
        pipeline.start()
        pipeline.wait()
        assert pipeline.failure is None
        statistics = platforms[0]._device.statistics()
    frames = sum(counter.frames for counter in counters)
    assert frames == 4 * FRAMES
    assert sum(counter.faces for counter in counters) >= 2 * frames
    assert statistics.bytes_to_host / frames < 2048
