"""The log of a source's tracks against lists of all their faces: each summary is of its own track, none is lost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.frames import Faces, Frame, Observation
from stages.tracks.log import UNLIKE_COSINE, TrackLog
from stages.tracks.summary import TrackSummary

DIMENSION = 4


class Blank:
    """A picture whose pixels must not be asked for."""

    width, height, pixel_aspect = 64, 64, 1.0

    def release(self) -> None:
        raise AssertionError("the log owns no pixels")


@dataclass(frozen=True)
class Seen:
    """One face of a track."""

    index: int
    seconds: float
    quality: float
    is_propagated: bool
    embedding: tuple[float, ...] | None


frames = st.lists(
    st.tuples(
        st.dictionaries(
            st.integers(0, 4),  # 0: a face of no track
            st.tuples(st.floats(0, 1, width=32), st.booleans(), st.one_of(st.none(), st.integers(0, 5))),
            max_size=4,
        ),
        st.sets(st.integers(1, 4), max_size=2),
        st.floats(0.01, 2.0),
    ),
    max_size=14,
)


def direction(number: int) -> tuple[float, ...]:
    vector = np.random.default_rng(number).standard_normal(DIMENSION)
    return tuple((vector / np.linalg.norm(vector)).astype(np.float32).tolist())


def box_of(number: int, index: int) -> list[int]:
    """A box that tells tracks and frames apart."""
    return [number, index, number + 1, index + 1]


@given(frames)
def test_every_track_is_summed_up_once_by_its_own_faces(
    steps: list[tuple[dict[int, tuple[float, bool, int | None]], set[int], float]],
) -> None:
    log = TrackLog()
    open_tracks: dict[int, list[Seen]] = defaultdict(list)
    expected: list[tuple[int, list[Seen]]] = []
    summaries: list[TrackSummary] = []
    seconds = 0.0
    for index, (found, ended, elapsed) in enumerate(steps):
        seconds += elapsed
        expected += [(number, open_tracks.pop(number)) for number in sorted(ended & open_tracks.keys())]
        faces = list(found.items())
        rows = [(0.0,) * DIMENSION if look is None else direction(look) for _, (_, _, look) in faces]
        observation = Observation(
            Frame("clip", index, seconds, Blank()),
            Faces(
                boxes_xyxy=np.array([box_of(number, index) for number, _ in faces], np.float32).reshape(-1, 4),
                scores=np.full(len(faces), 0.9, np.float32),
                embeddings=np.array(rows, np.float32).reshape(-1, DIMENSION),
                track_ids=np.array([number for number, _ in faces], np.int64),
                quality=np.array([quality for _, (quality, _, _) in faces], np.float32),
                propagated=np.array([is_propagated for _, (_, is_propagated, _) in faces], np.bool_),
            ),
            ended_tracks=tuple(sorted(ended)),
        )
        summaries += log.add(observation)
        for (number, (quality, is_propagated, look)), row in zip(faces, rows, strict=True):
            if number:
                open_tracks[number].append(Seen(index, seconds, quality, is_propagated, None if look is None else row))
        assert repr(log) == f"<TrackLog {len(open_tracks)} in view, {len(expected)} ended>"
    summaries += log.close()
    expected += sorted(open_tracks.items())

    assert [summary.track_id for summary in summaries] == [number for number, _ in expected]
    for summary, (number, seen) in zip(summaries, expected, strict=True):
        check(summary, number, seen)
    statistics = log.statistics()
    assert (statistics.tracks, statistics.ended) == (len(expected), len(expected))
    assert statistics.seconds == pytest.approx(sum(seen[-1].seconds - seen[0].seconds for _, seen in expected))
    assert statistics.plus(statistics).mean_seconds == pytest.approx(statistics.mean_seconds)


def check(summary: TrackSummary, number: int, seen: list[Seen]) -> None:
    assert (summary.first_frame, summary.last_frame, summary.frames) == (seen[0].index, seen[-1].index, len(seen))
    assert (summary.start_seconds, summary.end_seconds) == (seen[0].seconds, seen[-1].seconds)
    # The first face counts, and after it those that were detected.
    candidates = [face for place, face in enumerate(seen) if place == 0 or not face.is_propagated]
    best = max(
        candidates, key=lambda face: (face.embedding is not None, face.quality)
    )  # an embedded face is shown first
    assert (summary.best_frame, summary.best_seconds) == (best.index, best.seconds)
    assert summary.best_quality == pytest.approx(best.quality)
    assert summary.best_box_xyxy.tolist() == box_of(number, best.index)
    embedded: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    for face in seen:
        if face.embedding is not None:
            total = np.sum(embedded, axis=0) if embedded else np.zeros(DIMENSION)
            length, looks = float(np.linalg.norm(total)), np.array(face.embedding)
            # Of another person than the mean so far, unless it weighs more than all that.
            if not embedded or face.quality > length or looks @ total >= UNLIKE_COSINE * length:
                embedded.append(max(face.quality, 1e-3) * looks)
    assert summary.embeddings == len(embedded)
    if not embedded:
        assert summary.embedding is None
        return
    total = np.sum(embedded, axis=0)
    assert summary.embedding is not None
    assert summary.embedding.dtype == np.float32
    np.testing.assert_allclose(summary.embedding, total / np.linalg.norm(total), atol=1e-3)
    assert float(np.linalg.norm(summary.embedding)) == pytest.approx(1, abs=1e-5)
