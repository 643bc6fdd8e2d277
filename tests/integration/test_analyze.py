"""The library on real photographs and clips, with the real default models."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import anyio
import numpy as np
import pydantic
import pytest

import visage
from stages.errors import NotAVideo, SourceNotFound
from tests.media import Media
from visage import AnalyzedFrame, Settings
from visage.models import ModelStore, embedder_spec

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture
def settings(models: ModelStore) -> Settings:
    return Settings(model_dir=models.model_dir)


def only_face(path: Path, settings: Settings) -> visage.Face:
    (frame,) = visage.analyze(path, settings)
    (face,) = frame.faces
    return face


def iou(a: visage.Face, b: visage.Face) -> float:
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a.box_xyxy, b.box_xyxy
    common = max(0.0, min(ax2, bx2) - max(ax1, bx1)) * max(0.0, min(ay2, by2) - max(ay1, by1))
    return common / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - common)


@pytest.mark.parametrize(("name", "count"), [("obama.jpg", 1), ("biden.jpg", 1), ("multi_face.jpg", 5)])
def test_every_face_of_a_photograph_is_found(media: Media, settings: Settings, name: str, count: int) -> None:
    (frame,) = visage.analyze(media.path(name), settings)
    assert len(frame.faces) == count
    for face in frame.faces:
        assert face.embedding is not None
        assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("person_a_1.jpg", "person_a_2.jpg", True),
        ("person_b_1.jpg", "person_b_2.jpg", True),
        ("obama.jpg", "obama2.jpg", True),
        ("obama.jpg", "impostor_1.jpg", True),
        ("person_a_1.jpg", "person_b_1.jpg", False),
        ("person_a_1.jpg", "impostor_2.jpg", False),
        ("obama.jpg", "biden.jpg", False),
    ],
)
@pytest.mark.smoke
def test_embeddings_tell_people_apart(media: Media, settings: Settings, one: str, other: str, same: bool) -> None:
    a, b = (only_face(media.path(name), settings).embedding for name in (one, other))
    assert a is not None
    assert b is not None
    assert (float(a @ b) >= embedder_spec("sface").similarity_threshold) == same


def test_a_clip_is_seen_frame_by_frame(media: Media, settings: Settings) -> None:
    frames = list(visage.analyze(media.path("WolfgangLanger_Pexels.mp4"), settings, frameskip=10))
    assert [frame.index for frame in frames] == list(range(472))
    assert [frame.index for frame in frames if frame.detected] == list(range(0, 472, 10))
    assert {face.track_id for frame in frames for face in frame.faces} == {1}
    assert all(len(frame.faces) == 1 for frame in frames if frame.detected)
    assert sum(len(frame.faces) for frame in frames) >= 0.97 * len(frames)
    assert np.all(np.diff([frame.pts_seconds for frame in frames]) > 0)


def test_a_clip_without_faces_gives_frames_without_faces(media: Media, settings: Settings) -> None:
    frames = list(visage.analyze(media.path("no_face.mp4"), settings, frameskip=5))
    assert len(frames) > 1
    assert not any(frame.faces for frame in frames)


def test_faces_do_not_depend_on_the_sources_beside_them(media: Media, settings: Settings) -> None:
    """Boxes and embeddings are those of a run alone; each source's frames come in order."""
    names = ["single_face.mp4", "WolfgangLanger_Pexels.mp4", "face_noface.mov"]
    paths = [media.path(name) for name in names]
    together: defaultdict[str, list[AnalyzedFrame]] = defaultdict(list)
    for frame in visage.analyze(paths, settings, frameskip=12):
        together[frame.source_id].append(frame)
    for path in paths:
        alone = list(visage.analyze(path, settings, frameskip=12))
        beside = together[path.stem]
        assert [frame.index for frame in beside] == [frame.index for frame in alone]
        for one, other in zip(alone, beside, strict=True):
            assert len(one.faces) == len(other.faces)
            for a, b in zip(one.faces, other.faces, strict=True):
                assert iou(a, b) > 0.99
                assert (a.track_id, a.propagated) == (b.track_id, b.propagated)
                assert (a.embedding is None) == (b.embedding is None) == a.propagated
                if a.embedding is not None and b.embedding is not None:
                    assert a.embedding @ b.embedding > 0.999


def test_leaving_early_frees_every_thread_and_file(media: Media, settings: Settings) -> None:
    """`break` with frames in flight; the fixture `nothing_left_behind` looks afterwards."""
    for frame in visage.analyze(media.path("WolfgangLanger_Pexels.mp4"), settings):
        if frame.index == 3:
            break


@pytest.mark.parametrize(
    ("then", "code"),
    [("", 0), ("raise SystemExit(3)", 3), ("for frame in frames: raise ValueError('of the caller')", 1)],
)
def test_a_program_that_leaves_a_video_half_read_ends(
    media: Media, settings: Settings, tmp_path: Path, then: str, code: int
) -> None:
    """Whatever holds the generator: Python waits for threads before it frees it."""
    gallery = tmp_path / "people"
    program = (
        "import visage\n"
        f"frames = visage.analyze({str(media.path('single_face.mp4'))!r}, model_dir={str(settings.model_dir)!r},"
        f" gallery={str(gallery)!r})\n"
        f"next(frames)\n{then}\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr


def test_an_exception_in_the_loop_frees_everything(media: Media, settings: Settings) -> None:
    def interrupted() -> None:
        for _ in visage.analyze(media.path("WolfgangLanger_Pexels.mp4"), settings):
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()


@pytest.mark.parametrize("leave_early", [True, False])
def test_the_async_twin_gives_the_same(media: Media, settings: Settings, leave_early: bool) -> None:
    path = media.path("single_face.mp4")

    async def collect() -> list[AnalyzedFrame]:
        frames = []
        async with contextlib.aclosing(visage.analyze_async(path, settings, frameskip=4)) as stream:
            async for frame in stream:
                frames.append(frame)
                if leave_early:
                    break
        return frames

    expected = list(visage.analyze(path, settings, frameskip=4))
    found = anyio.run(collect)
    assert [frame.index for frame in found] == [frame.index for frame in expected][: 1 if leave_early else None]


def test_cancelling_the_async_twin_frees_everything(media: Media, settings: Settings) -> None:
    """The task is cancelled while it waits for a frame."""

    async def cancelled() -> None:
        with anyio.CancelScope() as scope:
            async with contextlib.aclosing(
                visage.analyze_async(media.path("WolfgangLanger_Pexels.mp4"), settings)
            ) as stream:
                async for _ in stream:
                    scope.cancel()

    anyio.run(cancelled)


def test_a_broken_file_raises_after_its_frames_and_the_others(media: Media, settings: Settings, tmp_path: Path) -> None:
    whole = media.path("single_face.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    seen: list[AnalyzedFrame] = []
    with pytest.raises(NotAVideo, match=r"empty\.mp4"):
        seen.extend(visage.analyze([empty, whole], settings, frameskip=20))
    assert {frame.source_id for frame in seen} == {"single_face"}


def test_a_missing_file_and_a_wrong_setting_are_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="nowhere"):
        list(visage.analyze(tmp_path / "nowhere.mp4", settings))
    with pytest.raises(pydantic.ValidationError, match="frameskip"):
        visage.analyze(tmp_path / "nowhere.mp4", settings, frameskip=0)


@pytest.mark.smoke
def test_both_cpu_backends_see_the_same(media: Media, settings: Settings, tmp_path: Path) -> None:
    shutil.copy(media.path("multi_face.jpg"), tmp_path)
    (one,) = visage.analyze(tmp_path / "multi_face.jpg", settings, backend="openvino", precision="fp32")
    (other,) = visage.analyze(tmp_path / "multi_face.jpg", settings, backend="onnxruntime")
    for a, b in zip(one.faces, other.faces, strict=True):
        assert iou(a, b) > 0.999
        assert a.embedding is not None
        assert b.embedding is not None
        assert a.embedding @ b.embedding > 0.9999
