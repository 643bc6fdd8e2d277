"""The list of people costs a few statements, however many they are, and opens no crop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.visage.people.scenes import add, gallery, person, track
from visage.people import Gallery, SightingRecorder
from visage.people.cipher import Cipher
from visage.web.gallery_people import GalleryPeople

PEOPLE = 200
MAX_STATEMENTS = 5


def filled(folder: Path) -> Gallery:
    opened = gallery(folder)
    opened.keeps_crops = True
    with opened.database.transaction():
        for number in range(PEOPLE):
            add(opened, f"Person {number}", person(number))
    recorder = SightingRecorder(opened)
    recorder.record(track(person(PEOPLE), seconds=5.0), uri="a.mp4", crop=b"jpeg")
    recorder.close()
    return opened


def test_people_are_listed_in_a_few_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path) as opened:
        people = GalleryPeople(opened, lambda: pytest.fail("no picture is read"))
        statements: list[str] = []
        opened.database._connection.set_trace_callback(statements.append)
        monkeypatch.setattr(Cipher, "decrypt", lambda *_: pytest.fail("a crop is opened"))
        listed = people.people()
        assert len(listed) == PEOPLE
        assert all(one.has_portrait for one in listed)
        assert len(statements) <= MAX_STATEMENTS
        statements.clear()
        assert [one.has_portrait for one in people.unknowns()] == [True]
        assert len(statements) <= MAX_STATEMENTS
        statements.clear()
        assert len(people.person_ids()) == PEOPLE
        assert len(statements) == 1
