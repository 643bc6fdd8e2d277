"""What goes through the wire comes out as it was: items, order, arrays, errors."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest

from stages.errors import NotAVideo, SourceBroken, SourceUnreadable
from stages.frames import FACE_ARRAYS, Faces, Frame, Identity, Observation
from stages.sources import SourceEnded, SourceStarted, VideoInfo
from visage.fleet.wire import ItemBatch, Unpacker, WireItem
from visage.runtime.errors import StageFailed


class Pixels:
    """A picture whose pixels must not be asked for."""

    width, height, pixel_aspect = 640, 480, 1.5

    def release(self) -> None:
        raise AssertionError("a parcel owns no pixels")


def observation(source_id: str, index: int, faces: Faces) -> Observation:
    frame = Frame(source_id, index, index / 25, Pixels(), 1000.0 + index, detect=index % 2 == 0, connection=index)
    return Observation(frame, faces, ended_tracks=(index,), detected=index % 2 == 0)


def faces(count: int, *, everything: bool) -> Faces:
    rng = np.random.default_rng(count)
    if not everything:
        return Faces(rng.random((count, 4), np.float32), rng.random(count, np.float32))
    return Faces(
        rng.random((count, 4), np.float32),
        rng.random(count, np.float32),
        rng.random((count, 5, 2), np.float32),
        rng.random((count, 128), np.float32),
        np.arange(count, dtype=np.int64),
        rng.random(count, np.float32),
        np.arange(count) % 2 == 0,
        np.arange(count) % 3 == 0,
        rng.random(count, np.float32),
        rng.random(count, np.float32),
        (*[None] * (count > 0), *[Identity("p1", "Ada", 0.5, 0.25)] * (count - 1)),
    )


def through(items: Sequence[WireItem], unpacker: Unpacker | None = None) -> list[WireItem]:
    return (unpacker or Unpacker()).unpack(pickle.loads(pickle.dumps(ItemBatch.of(items))))


def started(source_id: str) -> SourceStarted:
    return SourceStarted(VideoInfo(source_id, f"{source_id}.mp4", 640, 480, pixel_aspect=1.5))


def test_every_array_of_faces_goes_through_the_wire_and_through_a_selection() -> None:
    """A field that is added to `Faces` fails here until `faces` above makes one, and never gets lost silently."""
    given = faces(4, everything=True)
    assert all(getattr(given, name) is not None for name in FACE_ARRAYS)
    _, arrived = through([started("a"), observation("a", 0, given)])
    assert isinstance(arrived, Observation)
    rows = np.array([2, 0])
    for name in FACE_ARRAYS:
        np.testing.assert_array_equal(getattr(arrived.faces, name), getattr(given, name))
        np.testing.assert_array_equal(getattr(given.select(rows), name), getattr(given, name)[rows])


def test_observations_of_two_sources_arrive_whole_and_in_order() -> None:
    items: list[WireItem] = [
        started("a"),
        observation("a", 0, faces(3, everything=True)),
        started("b"),
        observation("b", 0, faces(2, everything=False)),
        observation("a", 1, faces(0, everything=True)),
        SourceEnded("b", 1),
        observation("a", 2, faces(1, everything=True)),
    ]
    found = through(items)
    assert [type(item) for item in found] == [type(item) for item in items]
    for sent, got in zip(items, found, strict=True):
        if not (isinstance(sent, Observation) and isinstance(got, Observation)):
            assert got == sent
            continue
        assert (got.source_id, got.frame.index, got.frame.pts_seconds) == (
            sent.source_id,
            sent.frame.index,
            sent.frame.pts_seconds,
        )
        assert got.frame.connection == sent.frame.connection
        assert (got.frame.detect, got.detected, got.ended_tracks, got.frame.captured_at) == (
            sent.frame.detect,
            sent.detected,
            sent.ended_tracks,
            sent.frame.captured_at,
        )
        assert (got.frame.picture.width, got.frame.picture.height, got.frame.picture.pixel_aspect) == (640, 480, 1.5)
        got.release()
        for field in fields(Faces):
            wanted, value = getattr(sent.faces, field.name), getattr(got.faces, field.name)
            assert (wanted is None) == (value is None), field.name
            if field.name == "identities":
                assert value == wanted
            elif wanted is not None:
                np.testing.assert_array_equal(value, wanted)
                assert value.dtype == wanted.dtype


def test_a_source_s_measures_last_from_parcel_to_parcel() -> None:
    unpacker = Unpacker()
    through([started("a")], unpacker)
    (item,) = through([observation("a", 7, faces(1, everything=True))], unpacker)
    assert isinstance(item, Observation)
    assert item.frame.picture.width == 640


@pytest.mark.parametrize(
    "error",
    [
        SourceBroken("a.mp4 breaks off", frame_index=7, pts_seconds=0.28),
        NotAVideo("a.txt holds no picture"),
        SourceUnreadable("a.mp4: permission denied"),
        StageFailed("detect", NotAVideo("x")),
    ],
)
def test_errors_keep_their_kind_and_what_they_say(error: Exception) -> None:
    (ended,) = through([SourceEnded("a", 7, error=error)])
    assert isinstance(ended, SourceEnded)
    assert type(ended.error) is type(error)
    assert str(ended.error) == str(error)
    if isinstance(error, SourceBroken):
        assert isinstance(ended.error, SourceBroken)
        assert (ended.error.frame_index, ended.error.pts_seconds) == (7, 0.28)
