"""The list of people costs a few statements, however many they are, and opens no crop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from tests.unit.visage.people.scenes import add, face, gallery, person, track
from visage.people import FaceReader, Gallery, PortraitFace, SightingRecorder
from visage.people.cipher import Cipher
from visage.people.errors import PictureRefused
from visage.web.errors import NotFound, UnusablePicture
from visage.web.gallery_people import GalleryPeople
from visage.web.ports import PeopleFilter, SightingFilter

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
        listed = people.people(PeopleFilter(limit=PEOPLE))
        assert len(listed.people) == PEOPLE
        assert all(one.has_portrait for one in listed.people)
        assert len(statements) <= MAX_STATEMENTS
        statements.clear()
        assert [one.has_portrait for one in people.unknowns()] == [True]
        assert len(statements) <= MAX_STATEMENTS
        statements.clear()
        assert len(people.sightings(SightingFilter(person_id="p1", source="cam-*")).sightings) == 0
        assert len(statements) <= MAX_STATEMENTS
        assert len(people.person_ids()) == PEOPLE
        statements.clear()
        assert len(people.person_ids()) == PEOPLE
        assert statements == ["PRAGMA data_version"]


def test_pages_hold_everyone_once_whatever_is_enrolled_meanwhile(tmp_path: Path) -> None:
    with filled(tmp_path) as opened:
        people = GalleryPeople(opened, lambda: pytest.fail("no picture is read"))
        seen: list[str] = []
        after: str | None = None
        while True:
            page = people.people(PeopleFilter(limit=30, after=after))
            seen += [one.name for one in page.people]
            add(opened, f"A newcomer {len(seen)}", person(1000 + len(seen)))  # before the cursor
            after = page.after
            if after is None:
                break
        assert seen == sorted(f"Person {number}" for number in range(PEOPLE))
        assert page.total == PEOPLE + len(seen) // 30
        opened.forget(last := page.people[-1].person_id)
        with pytest.raises(NotFound, match=last):
            people.people(PeopleFilter(after=last))


@pytest.mark.parametrize(
    ("search", "found"),
    [("jose", ["José Núñez"]), ("NÚÑ", ["José Núñez"]), ("straße", ["Frau Strasse"]), ("%", []), ("", 2)],
)
def test_names_are_searched_without_case_and_accents(tmp_path: Path, search: str, found: list[str] | int) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "José Núñez", person(1))
        add(opened, "Frau Strasse", person(2))
        page = GalleryPeople(opened, lambda: pytest.fail("no picture is read")).people(PeopleFilter(search))
        names = [one.name for one in page.people]
        assert (len(names) if isinstance(found, int) else names) == found
        assert page.total == len(names)


def test_pages_of_sightings_hold_each_once(tmp_path: Path) -> None:
    """Also those that began at the very same time."""
    with gallery(tmp_path) as opened:
        recorder = SightingRecorder(opened)
        for number in range(25):
            recorder.record(track(person(1), number, at=1000.25 + number // 4), uri="a.mp4")
        recorder.close()
        people = GalleryPeople(opened, lambda: pytest.fail("no picture is read"))
        seen: list[str] = []
        after: str | None = None
        while True:
            page = people.sightings(SightingFilter(limit=7, after=after, source="cam*"))
            seen += [one.sighting_id for one in page.sightings]
            after = page.after
            if after is None:
                break
        assert seen == [f"s{number}" for number in range(25, 0, -1)]


def test_of_several_pictures_the_refused_one_is_named(tmp_path: Path) -> None:
    class Reader:
        """Reads a picture that holds a face; closed by whoever opened it."""

        def read(self, picture: bytes) -> list[PortraitFace]:
            if picture == b"empty":
                raise PictureRefused("no face found")
            return [face(person(1))]

        def close(self) -> None:
            pass

    with gallery(tmp_path) as opened:
        people = GalleryPeople(opened, cast("Callable[[], FaceReader]", Reader))
        with pytest.raises(UnusablePicture, match=r"^picture 2: no face found"):
            people.add_person("Ada", [b"face", b"empty"])
        with pytest.raises(UnusablePicture, match=r"^no face found"):
            people.add_person("Ada", [b"empty"])
        assert opened.people() == []
