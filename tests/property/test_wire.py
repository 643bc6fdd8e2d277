"""Whatever faces two processes speak of, the second one reads what the first one wrote."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stages.frames import FACE_ARRAYS, Faces, Frame, Identity, Observation
from stages.sources import SourceEnded, SourceStarted, VideoInfo
from visage.fleet.wire import ItemBatch, Unpacker
from visage.runtime.sinks import SinkItem

DIMENSION = 3
SOURCES = ("a", "b")

numbers = st.floats(width=32, allow_nan=True, allow_infinity=True)


@dataclass
class Pixels:
    """A picture whose pixels are nobody's business on the way."""

    width: int
    height: int
    pixel_aspect: float

    def release(self) -> None:
        raise AssertionError("pixels stay where they are")


@st.composite
def any_faces(draw: st.DrawFn) -> Faces:
    """Any number of faces, with any of the arrays that need not be there."""
    count = draw(st.integers(0, 3))

    def of(dtype: Any, rest: tuple[int, ...], elements: st.SearchStrategy[Any]) -> Any:
        return draw(arrays(dtype, (count, *rest), elements=elements))

    def maybe(dtype: Any, rest: tuple[int, ...], elements: st.SearchStrategy[Any]) -> Any:
        return of(dtype, rest, elements) if draw(st.booleans()) else None

    return Faces(
        boxes_xyxy=of(np.float32, (4,), numbers),
        scores=of(np.float32, (), numbers),
        landmarks=maybe(np.float32, (5, 2), numbers),
        embeddings=maybe(np.float32, (DIMENSION,), numbers),
        track_ids=maybe(np.int64, (), st.integers(0, 2**63 - 1)),
        quality=maybe(np.float32, (), numbers),
        propagated=maybe(np.bool_, (), st.booleans()),
        to_embed=maybe(np.bool_, (), st.booleans()),
        identities=(Identity("p1", "Ada", 0.5, 1.0),) * count if draw(st.booleans()) else None,
    )


@st.composite
def parcels(draw: st.DrawFn) -> list[list[SinkItem]]:
    """Messages of two sources, in any order that sources can be in, cut anywhere."""
    items: list[SinkItem] = []
    infos: dict[str, VideoInfo] = {}
    for _ in range(draw(st.integers(0, 10))):
        source_id = draw(st.sampled_from(SOURCES))
        info = infos.get(source_id)
        if info is None:
            info = infos[source_id] = VideoInfo(
                source_id,
                "clip.mp4",
                draw(st.integers(1, 8192)),
                draw(st.integers(1, 8192)),
                pixel_aspect=draw(st.floats(0.25, 4)),
            )
            items.append(SourceStarted(info))
        elif draw(st.integers(0, 3)) == 0:
            del infos[source_id]
            items.append(SourceEnded(source_id, draw(st.integers(0, 10**6))))
        else:
            frame = Frame(
                source_id,
                draw(st.integers(0, 2**40)),
                draw(st.floats(0, 1e9)),
                Pixels(info.width, info.height, info.pixel_aspect),
                draw(st.floats(0, 1e10)),
                draw(st.booleans()),
                draw(st.integers(0, 9)),
            )
            ended = draw(st.lists(st.integers(1, 2**40), max_size=3))
            items.append(Observation(frame, draw(any_faces()), tuple(ended), draw(st.booleans())))
    cuts = sorted(draw(st.lists(st.integers(0, len(items)), max_size=3)))
    edges = [0, *cuts, len(items)]
    return [items[start:end] for start, end in itertools.pairwise(edges)]


@settings(max_examples=150)
@given(parcels())
def test_everything_arrives_as_it_was_sent(messages: list[list[SinkItem]]) -> None:
    unpacker = Unpacker()
    for message in messages:
        arrived = unpacker.unpack(pickle.loads(pickle.dumps(ItemBatch.of(message))))
        assert len(arrived) == len(message)
        for sent, got in zip(message, arrived, strict=True):
            if not isinstance(sent, Observation):
                assert got == sent
                continue
            assert isinstance(got, Observation)
            assert (got.ended_tracks, got.detected) == (sent.ended_tracks, sent.detected)
            for field in fields(Frame):
                if field.name != "picture":
                    assert getattr(got.frame, field.name) == getattr(sent.frame, field.name), field.name
            for name in ("width", "height", "pixel_aspect"):
                assert getattr(got.frame.picture, name) == getattr(sent.frame.picture, name)
            got.release()
            for name in FACE_ARRAYS:
                wanted, found = getattr(sent.faces, name), getattr(got.faces, name)
                assert (wanted is None) == (found is None), name
                if wanted is not None:
                    np.testing.assert_array_equal(found, wanted)
                    assert found.dtype == wanted.dtype
            assert got.faces.identities == sent.faces.identities
