"""Spans go from the look before a face to the look after it, and on while somebody is still there."""

from __future__ import annotations

import numpy as np
import pytest

from stages.frames import FloatArray
from visage.scanning import Findings, FoundFace, Interest, spans_around, widened
from visage.scanning.spans import END

LOOKS = [0, 100, 200, 300, 400, 500, 600]
MEMORY = 41  # frames at 25 a second: 1.6 s, and one


def unit(place: int) -> FloatArray:
    return np.asarray(np.eye(4)[place], np.float32)


def face(frame: int, name: str | None = "Ada", last: int | None = None, who: int = 0) -> FoundFace:
    return FoundFace(frame, frame if last is None else last, name, 0.5, unit(who))


def found(*faces: FoundFace) -> Findings:
    return Findings(list(LOOKS), list(faces), 25.0)


def test_a_span_reaches_from_look_to_look_and_for_the_trackers_memory() -> None:
    assert spans_around(found(face(300)), Interest("Ada")) == ((200, 400 + MEMORY),)


def test_the_ends_of_the_film_are_ends_of_spans() -> None:
    assert spans_around(found(face(0)), Interest("ada")) == ((0, 100 + MEMORY),)
    assert spans_around(found(face(600)), Interest("Ada")) == ((500, END),)


@pytest.mark.parametrize(
    ("who", "spans"),
    [
        ("Ada", ((0, 200 + MEMORY),)),
        ("unknown", ((200, 400 + MEMORY),)),
        ("anybody", ((0, 400 + MEMORY), (500, END))),
        ("Eve", ()),
    ],
)
def test_only_those_of_interest_are_refined(who: str, spans: tuple[tuple[int, int], ...]) -> None:
    scanned = found(face(100), face(300, "unknown", who=1), face(600, None, who=2))
    assert spans_around(scanned, Interest(who)) == spans


def test_a_neighbouring_look_with_a_similar_face_is_taken_in_whatever_its_name() -> None:
    scanned = found(face(200, "unknown"), face(300), face(400, None), face(500, "Eve", who=1))
    assert spans_around(scanned, Interest("Ada")) == ((100, 500 + MEMORY),)


def test_spans_that_touch_become_one() -> None:
    assert spans_around(found(face(100), face(300, who=1)), Interest("anybody")) == ((0, 400 + MEMORY),)


def test_a_span_is_widened_where_somebody_of_interest_is_still_seen() -> None:
    before, spans = found(face(300)), ((200, 400 + MEMORY),)
    assert widened(spans, before, found(face(230, last=390)), Interest("Ada")) == spans
    assert widened(spans, before, found(face(200, last=390)), Interest("Ada")) == ((100, 400 + MEMORY),)
    assert widened(spans, before, found(face(230, last=430)), Interest("Ada")) == ((200, 500 + MEMORY),)
    assert widened(spans, before, found(face(230, last=430)), Interest("Ada"), steps=2) == ((200, 600 + MEMORY),)
    assert widened(spans, before, found(face(230, last=430)), Interest("Ada"), steps=4) == ((200, END),)
    assert widened(spans, before, found(face(200, "Eve", last=430)), Interest("Ada")) == spans


def test_films_with_more_of_a_person_promise_more() -> None:
    ada = Interest("Ada")
    assert ada.promise(found(face(0), face(100))) > ada.promise(found(face(0))) > ada.promise(found())
