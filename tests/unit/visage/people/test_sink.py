"""The sink of sightings: which file a track was seen in, however that was named."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stages.frames import Faces, FloatArray, Frame, Observation
from tests.unit.stages.sink.scenes import PlainPicture, ended, video
from tests.unit.stages.sink.scenes import opened as opened_sink
from tests.unit.visage.people.scenes import gallery, near, person
from visage.people import SightingRecorder
from visage.people.gallery import Gallery
from visage.people.sink import SightingSink

ADA, BOB = person(1), person(2)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Gallery]:
    with gallery(tmp_path / "people") as opened:
        yield opened


def see(opened: Gallery, uri: str, face: FloatArray, *, at: float, source: str = "clip", is_live: bool = False) -> None:
    """A run over one source, which shows somebody for a second."""
    with contextlib.closing(SightingRecorder(opened)) as recorder:
        sink = opened_sink(SightingSink(recorder), video(source, uri=uri, is_live=is_live))
        for index in range(26):
            faces = Faces(
                boxes_xyxy=np.array([[1, 2, 30, 40]], np.float32),
                scores=np.ones(1, np.float32),
                embeddings=face[None],
                track_ids=np.ones(1, np.int64),
                quality=np.ones(1, np.float32),
            )
            frame = Frame(source, index, index / 25, PlainPicture(), captured_at=at + index / 1000)
            sink.write(Observation(frame, faces))
        sink.close(ended(source))
    assert recorder.statistics().failure == ""


def test_files_of_one_name_are_told_apart(opened: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, face, at in (("tue", ADA, 100.0), ("mon", BOB, 200.0)):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        see(opened, "clip.mp4", near(face, 1), at=at)
    places = [(seen.uri, seen.started_at) for seen in opened.sightings()]
    assert places == [(str(tmp_path / "mon/clip.mp4"), 200.0), (str(tmp_path / "tue/clip.mp4"), 100.0)]
    assert len(opened.unknowns()) == 2


def test_a_file_spelled_otherwise_is_the_same(opened: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also through a link to its folder, and as the second clip of a run."""
    (tmp_path / "mon").mkdir()
    (tmp_path / "monday").symlink_to("mon")
    monkeypatch.chdir(tmp_path)
    spellings = ("mon/clip.mp4", "./mon/../mon/clip.mp4", str(tmp_path / "mon/clip.mp4"), "monday/clip.mp4")
    for run, uri in enumerate(spellings):
        see(opened, uri, near(ADA, run), at=100.0 * (run + 1), source="clip" if run else "clip-2")
    assert [(seen.uri, seen.started_at) for seen in opened.sightings()] == [(str(tmp_path / "mon/clip.mp4"), 400.0)]


def test_addresses_are_kept_as_they_are(opened: Gallery) -> None:
    """Two that are shown alike, without their secrets, may be two videos: their names tell."""
    see(opened, "https://nvr.example/clip?key=...", near(ADA, 1), at=100.0, source="door")
    see(opened, "https://nvr.example/clip?key=...", near(BOB, 1), at=200.0, source="yard")
    see(opened, "https://nvr.example/clip?key=...", near(BOB, 2), at=300.0, source="yard")
    see(opened, "Front camera", near(BOB, 3), at=400.0, source="built-in", is_live=True)
    assert [(seen.source, seen.uri, seen.started_at) for seen in opened.sightings()] == [
        ("built-in", "Front camera", 400.0),
        ("yard", "https://nvr.example/clip?key=...", 300.0),
        ("door", "https://nvr.example/clip?key=...", 100.0),
    ]


def test_a_camera_and_a_film_of_one_kind_of_address_are_told_apart(opened: Gallery) -> None:
    see(opened, "http://door/live.m3u8", near(ADA, 1), at=100.0, source="door", is_live=True)
    see(opened, "http://archive/film.mp4", near(ADA, 2), at=200.0, source="film")
    assert [(seen.source, seen.is_live) for seen in opened.sightings()] == [("film", False), ("door", True)]


def test_a_file_whose_name_is_not_utf_8_is_stored(opened: Gallery, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"b\xffd.mp4")
    for run in range(2):
        see(opened, str(path), near(ADA, run), at=100.0 * (run + 1), source="b_d")
    assert [(seen.uri, seen.started_at) for seen in opened.sightings()] == [(rf"{tmp_path}/b\udcffd.mp4", 200.0)]
