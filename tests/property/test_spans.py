"""Spans of any findings: ascending, disjoint, from look to look, with every face of interest well inside."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.decode.looks import Looks
from visage.scanning import Findings, FoundFace, Interest, spans_around, widened
from visage.scanning.spans import END


@st.composite
def findings(draw: st.DrawFn) -> Findings:
    looks = sorted(draw(st.sets(st.integers(0, 2000), min_size=1, max_size=40)))
    faces = [
        FoundFace(look, look, draw(st.sampled_from(["Ada", "unknown", None])), 0.5, np.eye(3, dtype=np.float32)[who])
        for look in looks
        for who in draw(st.sets(st.integers(0, 2), max_size=2))
    ]
    return Findings(looks, faces, draw(st.sampled_from([None, 24.0, 60.0])))


@given(findings(), st.sampled_from(["anybody", "unknown", "Ada"]))
def test_spans_hold_the_looks_around_every_face_of_interest(scanned: Findings, who: str) -> None:
    interest = Interest(who)
    spans = spans_around(scanned, interest)
    looks = Looks(spans)  # ascending and disjoint, or it raises
    assert all(first == 0 or first in scanned.looks for first, _ in spans)
    for face in scanned.faces:
        if interest.covers(face):
            place = scanned.looks.index(face.first_frame)
            around = [face.first_frame, *scanned.looks[max(0, place - 1) : place + 2]]
            assert {looks.span_of(index) for index in around} == {looks.span_of(face.first_frame)} != {None}


@given(findings(), st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 8))
def test_widening_never_loses_a_frame_and_ends(scanned: Findings, first: int, length: int, steps: int) -> None:
    everybody = Interest("anybody")
    spans = spans_around(scanned, everybody)
    long = Findings(scanned.looks, [FoundFace(first, first + length)], scanned.fps)
    for _ in range(len(scanned.looks) + 2):
        wider = widened(spans, scanned, long, everybody, steps=steps)
        assert all(any(a <= one and other <= b for a, b in wider) for one, other in spans)
        if wider == spans:
            break
        spans = wider
    else:
        raise AssertionError("widening goes on for ever")
    for one, other in spans:  # whoever is seen at an end is followed to theirs
        if first <= other and first + length >= one:
            assert one == 0 or first > one
            assert other == END or first + length <= other
