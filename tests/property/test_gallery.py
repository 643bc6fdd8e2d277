"""A gallery against a plain model of it: people are enrolled, seen, named, merged and forgotten in any order.

Directions are exact: two looks of one person have a cosine of 0.81, those of two people 0. So who a track shows is
never in doubt, and what the gallery says must be what the model says.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stages.frames import FloatArray
from tests.unit.visage.people.scenes import DIMENSION, add, track
from visage.people import roster_cache
from visage.people.cipher import make_key
from visage.people.errors import NameTaken, NoSuchPerson, PictureRefused
from visage.people.gallery import open_gallery

FACES = range(4)
LOOKS = range(4)
NAMES = ("Ada", "Bob", "Cy", "Dee", "Eve")
SIGHTINGS_OF_A_NAME = 3


def look_of(face: int, look: int) -> FloatArray:
    """One of the looks of a face, of norm 1."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[face], vector[10 + len(LOOKS) * face + look] = 0.9, np.sqrt(1 - 0.81)
    return vector


@dataclass
class Someone:
    """Faces that lead to a person, the looks of their pictures, and what was seen of them."""

    faces: set[int]
    pictures: Counter[tuple[int, int]] = field(default_factory=Counter)
    sightings: list[tuple[int, int]] = field(default_factory=list)


class People(RuleBasedStateMachine):
    """People by their names; unknowns by their face, because one face is one cluster."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(roster_cache, "ROSTER_SECONDS", 0.0)
        self.folder = tempfile.TemporaryDirectory()
        key_file = Path(self.folder.name) / "key"
        make_key(key_file)  # with a key the index is in memory, which is quick
        self.gallery = open_gallery(Path(self.folder.name) / "gallery", model="sface", key_file=key_file)
        self.people: dict[str, Someone] = {}
        self.unknowns: dict[int, Someone] = {}
        self.tracks = 0

    def owner(self, face: int) -> str | None:
        return next((name for name, one in self.people.items() if face in one.faces), None)

    def unknown_ids(self) -> dict[int, str]:
        """The ids of the unknowns, by their faces."""
        found = {}
        for face in self.unknowns:
            matches = self.gallery.search(look_of(face, 0), limit=50, least_similarity=0.5)
            found[face] = next(item.sighting.unknown_id for item in matches if item.sighting.unknown_id is not None)
        return found

    @rule(face=st.sampled_from(FACES), look=st.sampled_from(LOOKS), name=st.sampled_from(NAMES))
    def enrol(self, face: int, look: int, name: str) -> None:
        name = self.owner(face) or name
        if self.people.get(name, Someone(set())).pictures[face, look]:
            with pytest.raises(PictureRefused):
                add(self.gallery, name, look_of(face, look))
            return
        add(self.gallery, name, look_of(face, look))
        one = self.people.setdefault(name, Someone(set()))
        one.faces.add(face)
        one.pictures[face, look] += 1

    @rule(face=st.sampled_from(FACES), look=st.sampled_from(LOOKS))
    def see(self, face: int, look: int) -> None:
        """Tracks of a face that is enrolled are the person's; others gather into one unknown a face."""
        self.tracks += 1
        summary = track(look_of(face, look), self.tracks, quality=0.5 + look / 10, at=1000.0 + 100 * self.tracks)
        self.gallery.record(summary, uri="rtsp://cam", is_live=True)
        name = self.owner(face)
        one = self.unknowns.setdefault(face, Someone({face})) if name is None else self.people[name]
        one.sightings.append((face, look))

    @precondition(lambda self: self.people)
    @rule(data=st.data(), new=st.sampled_from(NAMES))
    def rename(self, data: st.DataObject, new: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.people)), label="person")
        if new in self.people and new != name:
            with pytest.raises(NameTaken):
                self.gallery.rename(name, new)
            return
        self.gallery.rename(name, new)
        self.people[new] = self.people.pop(name)

    @precondition(lambda self: len(self.people) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        kept, merged = data.draw(st.permutations(sorted(self.people)), label="people")[:2]
        self.gallery.merge(kept, merged)
        gone, one = self.people.pop(merged), self.people[kept]
        one.faces |= gone.faces
        one.pictures += gone.pictures
        one.sightings += gone.sightings

    @precondition(lambda self: self.unknowns)
    @rule(data=st.data(), new=st.sampled_from(NAMES))
    def name_unknown(self, data: st.DataObject, new: str) -> None:
        """All sightings become the person's, who is known by the best of them from then on."""
        face = data.draw(st.sampled_from(sorted(self.unknowns)), label="unknown")
        name = self.owner(face) or new
        self.gallery.name_unknown(self.unknown_ids()[face], name)
        unknown, one = self.unknowns.pop(face), self.people.setdefault(name, Someone(set()))
        best = sorted(unknown.sightings, key=lambda seen: -seen[1])[:SIGHTINGS_OF_A_NAME]
        one.faces.add(face)
        one.pictures.update(best)
        one.sightings += unknown.sightings

    @precondition(lambda self: self.people or self.unknowns)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        everyone: list[str | int] = [*sorted(self.people), *sorted(self.unknowns)]
        who = data.draw(st.sampled_from(everyone), label="who")
        if isinstance(who, str):
            one = self.people.pop(who)
            forgotten = self.gallery.forget(who)
        else:
            identifier = self.unknown_ids()[who]
            one = self.unknowns.pop(who)
            forgotten = self.gallery.forget(identifier)
        assert forgotten.pictures == one.pictures.total()
        assert forgotten.sightings == len(one.sightings)
        assert forgotten.vectors == one.pictures.total() + len(one.sightings)
        assert forgotten.verified
        assert not forgotten.index_waits
        if isinstance(who, str):
            with pytest.raises(NoSuchPerson):
                self.gallery.person(who)

    @invariant()
    def the_gallery_lists_what_the_model_holds(self) -> None:
        listed = {one.name: (one.pictures, one.sightings) for one in self.gallery.people()}
        assert listed == {name: (one.pictures.total(), len(one.sightings)) for name, one in sorted(self.people.items())}
        assert list(listed) == sorted(listed)
        unknowns = sorted(one.sightings for one in self.gallery.unknowns(all_of_them=True))
        assert unknowns == sorted(len(one.sightings) for one in self.unknowns.values())

    @invariant()
    def every_face_is_found_as_who_it_is(self) -> None:
        for face in FACES:
            owners = [(name, one) for name, one in self.people.items() if face in {seen[0] for seen in one.sightings}]
            expected = Counter({name: sum(seen[0] == face for seen in one.sightings) for name, one in owners})
            own = self.unknowns.get(face)
            matches = self.gallery.search(look_of(face, 0), limit=100, least_similarity=0.5)
            found = Counter(item.sighting.name for item in matches if item.sighting.person_id is not None)
            assert found == expected
            strangers = [item for item in matches if item.sighting.person_id is None]
            assert len(strangers) == (0 if own is None else len(own.sightings))
            similarities = [item.similarity for item in matches]
            assert similarities == sorted(similarities, reverse=True)

    def teardown(self) -> None:
        self.gallery.close()
        self.patch.undo()
        self.folder.cleanup()


TestPeople = People.TestCase
TestPeople.settings = settings(max_examples=20, stateful_step_count=20)
