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
from stages.sources import VideoInfo
from tests.clips import write_clip
from tests.media import Media
from visage import analyze
from visage.assembly import build
from visage.assembly.cuda import CudaPlatform
from visage.bench.clip import ClipRecipe, make_clip
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


@pytest.fixture(scope="module")
def film(media: Media, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip of `visage bench`: 1080p, three or four faces a frame, a moving background and grain."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    make_clip(path, ClipRecipe(), media.path)
    return path


@pytest.fixture(scope="module")
def clip_with_cut(media: Media, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same two, brighter, who sit where the other one sat from the middle on."""
    photographs = [cv2.imread(str(media.path(name))) for name in PHOTOGRAPHS]

    def image(number: int) -> NDArray[np.uint8]:
        is_second_shot = number >= FRAMES // 2
        canvas = np.full((HEIGHT, WIDTH, 3), 40 if is_second_shot else 200, np.uint8)
        for place, photograph in enumerate(photographs):
            assert photograph is not None
            scale = 0.6 * HEIGHT / photograph.shape[0]
            left = 60 + 600 * (1 - place if is_second_shot else place)
            moved = np.array([[scale, 0, left + 1.5 * number], [0, scale, 120 + 0.5 * number]])
            cv2.warpAffine(
                photograph, moved, (WIDTH, HEIGHT), canvas, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT
            )
        return canvas

    path = tmp_path_factory.mktemp("cut") / "cut.mp4"
    return write_clip(path, images=map(image, range(FRAMES)), options={"crf": "18"})


def settings_for(models: ModelStore, device: str, **more: object) -> Settings:
    backend = "onnxruntime" if device == "cpu" else "tensorrt"
    return Settings.model_validate({"device": device, "backend": backend, "model_dir": models.model_dir, **more})


def overlap(a: Face, b: Face) -> float:
    """Intersection over union."""
    left, top = np.maximum(a.box_xyxy[:2], b.box_xyxy[:2])
    right, bottom = np.minimum(a.box_xyxy[2:], b.box_xyxy[2:])
    both = max(0.0, float(right - left)) * max(0.0, float(bottom - top))
    areas = [(face.box_xyxy[2] - face.box_xyxy[0]) * (face.box_xyxy[3] - face.box_xyxy[1]) for face in (a, b)]
    return both / (sum(areas) - both)


def test_boxes_and_embeddings_are_the_cpu_s(device: CudaDevice, film: Path, models: ModelStore) -> None:
    """IoU >= 0.95 and cosine >= 0.99 for 99% of the faces, and the same frame numbers."""
    on_card, on_cpu = (
        sorted(analyze(film, settings_for(models, name)), key=lambda frame: frame.index) for name in ("cuda:0", "cpu")
    )
    assert [(f.index, f.pts_seconds) for f in on_card] == [(f.index, f.pts_seconds) for f in on_cpu]
    assert len(on_card) == ClipRecipe().frames
    overlaps, cosines = compare(on_card, on_cpu)
    assert len(overlaps) >= 3 * len(on_card)
    assert np.mean(np.array(overlaps) >= 0.95) >= 0.99, sorted(overlaps)[:5]
    assert np.mean(np.array(cosines) >= 0.99) >= 0.99, sorted(cosines)[:5]


@pytest.mark.parametrize("frameskip", [8, "auto"])
def test_faces_are_followed_as_on_the_cpu(
    device: CudaDevice, clip: Path, models: ModelStore, frameskip: object
) -> None:
    """By optical flow: IoU >= 0.9 for 99% of faces with the same number, quality within 0.1."""
    on_card, on_cpu = tracked(clip, models, frameskip)
    ours, theirs = (by_track(frames) for frames in (on_card, on_cpu))
    assert {number for _, number in ours} == {number for _, number in theirs} == {1, 2}
    if frameskip == 8:
        assert [frame.detected for frame in on_card] == [index % 8 == 0 for index in range(FRAMES)]
    assert sum(frame.detected for frame in on_card) <= FRAMES / 4
    assert len(ours.keys() & theirs.keys()) >= 0.97 * len(theirs) >= 0.97 * 2 * FRAMES * 0.95
    both = [(ours[key], theirs[key]) for key in sorted(ours.keys() & theirs.keys())]
    assert np.mean([overlap(*pair) >= 0.9 for pair in both]) >= 0.99
    assert max(abs((one.quality or 0) - (other.quality or 0)) for one, other in both) <= 0.1
    assert all(0 < (face.quality or 0) < face.score for face in ours.values())  # sharpness counts


def test_a_cut_is_seen_as_on_the_cpu(device: CudaDevice, clip_with_cut: Path, models: ModelStore) -> None:
    """The frame after it is looked at, whatever the frameskip, and nobody keeps a number over it."""
    on_card, on_cpu = tracked(clip_with_cut, models, 16)
    looks = [0, 16, FRAMES // 2, 32, 48]
    for frames in (on_card, on_cpu):
        assert [frame.index for frame in frames if frame.detected] == looks
        before, after = (
            {face.track_id for frame in shot for face in frame.faces}
            for shot in (frames[: FRAMES // 2], frames[FRAMES // 2 :])
        )
        assert (before, after) == ({1, 2}, {3, 4})


def tracked(
    path: Path, models: ModelStore, frameskip: object
) -> tuple[Sequence[AnalyzedFrame], Sequence[AnalyzedFrame]]:
    """All frames of a clip in order, as the card and as the CPU saw them."""
    on_card, on_cpu = (
        sorted(
            analyze(path, settings_for(models, name, frameskip=frameskip, embed=None)), key=lambda frame: frame.index
        )
        for name in ("cuda:0", "cpu")
    )
    assert [frame.index for frame in on_card] == [frame.index for frame in on_cpu] == list(range(FRAMES))
    return on_card, on_cpu


def by_track(frames: Sequence[AnalyzedFrame]) -> dict[tuple[int, int], Face]:
    """Faces by the number of their frame and of their track."""
    return {(frame.index, face.track_id): face for frame in frames for face in frame.faces if face.track_id}


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


class Counter(Sink):
    """A sink that counts frames and faces."""

    def __init__(self) -> None:
        self.frames = 0
        self.faces = 0

    def write(self, observation: Observation) -> None:
        self.frames += 1
        self.faces += len(observation.faces)


def test_less_than_two_kilobytes_a_frame_come_back_and_memory_stays(
    device: CudaDevice, clip: Path, models: ModelStore, tmp_path: Path
) -> None:
    """At two faces a frame, four sources at once, without tracking, which reads gray patches of 16 KiB a face."""
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
    with build(settings_for(models, "cuda:0", track=False), specs, open_sinks=open_sinks) as pipeline:
        pipeline.start()
        pipeline.wait()
        assert pipeline.failure is None
        statistics = platforms[0]._device.statistics()
    frames = sum(counter.frames for counter in counters)
    assert frames == 4 * FRAMES
    assert sum(counter.faces for counter in counters) >= 2 * frames
    assert statistics.bytes_to_host / frames < 2048
