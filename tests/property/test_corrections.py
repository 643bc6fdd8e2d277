"""Corrections against a plain model: a sighting that was corrected never returns to the wrong name, whatever happens.

Films are analysed again with other numbers, people are merged and split, galleries are opened anew, exported and taken
over, and corrections are undone, in any order. A preview of each change says exactly what the change then does.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stages.frames import FloatArray
from stages.tracks.summary import TrackSummary
from tests.unit.visage.people.scenes import DIMENSION, add, gallery, track
from visage.people import roster_cache
from visage.people.correction_exchange import export_corrections, import_corrections
from visage.people.correction_rule import CorrectionKind
from visage.people.exchange import export_gallery, import_gallery
from visage.people.records import Sighting

FILM = "/films/{}.mkv"
NAMES = ("Ada", "Bob", "Cy")
LOOKS = 2


def look_of(face: int, look: int) -> FloatArray:
    """A look of a face: two looks of one face have a cosine of 0.81, and two faces one of 0."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[face], vector[10 + LOOKS * face + look] = 0.9, np.sqrt(1 - 0.81)
    return vector


@dataclass
class Said:
    """What the corrections of one moment of a film decide, oldest first: (correction, kind, name)."""

    facts: list[tuple[str, CorrectionKind, str | None]] = field(default_factory=list)

    def allows(self, name: str, *, is_ignored: bool) -> bool:
        person: str | None = None
        denied: set[str] = set()
        ignored = False
        for _, kind, said in self.facts:
            if kind is CorrectionKind.IS and said is not None:
                person, ignored = said, False
                denied.discard(said)
            elif kind is CorrectionKind.IS_NOT and said is not None:
                denied.add(said)
                person = None if person == said else person
            else:
                person, ignored = None, True
        if ignored or person is not None:
            return is_ignored == ignored and name == (person or "ignored")
        return name not in denied


class Corrected(RuleBasedStateMachine):
    """Three films of three people, each of whom is seen alone and one after another."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(roster_cache, "ROSTER_SECONDS", 0.0)
        self.folder = tempfile.TemporaryDirectory()
        self.number = 0
        self.at = itertools.count(1000.0, 1000.0)
        self.said: dict[tuple[int, int], Said] = {}
        self.gallery = gallery(self.place())
        for face, name in enumerate(NAMES):
            add(self.gallery, name, look_of(face, 0))
        for film in range(3):
            self.analyse(film, 0)

    def place(self) -> Path:
        self.number += 1
        return Path(self.folder.name) / f"gallery{self.number}"

    def sightings(self) -> dict[tuple[int, int], Sighting]:
        found = self.gallery.sightings(limit=100)
        return {(int(Path(one.uri).stem), round(one.start_seconds / 10)): one for one in found}

    def analyse(self, film: int, first_number: int) -> None:
        """As a run does: tracks are recorded, then those of the run before are removed."""
        at = next(self.at)
        for slot in range(3):
            look = look_of((film + slot) % 3, 1)
            seen: TrackSummary = track(look, first_number + slot + 1, start=10.0 * slot, at=at)
            seen = replace(seen, best_box_xyxy=np.array([slot * 50, 20, slot * 50 + 40, 60], np.float32))
            self.gallery.record(seen, uri=FILM.format(film), session=at)
        self.gallery.replace_sightings("cam-1", FILM.format(film), (0.0, 100.0), before=at)

    def names(self) -> dict[str, str]:
        return {one.sighting_id: one.name for one in self.gallery.sightings(limit=100)}

    def exactly(self, change: Callable[[], object]) -> None:
        """Preview a change, then make it: what was said is what has changed."""
        before = self.names()
        found = self.gallery.preview(change)
        assert self.names() == before
        assert found.total == len(before)
        change()
        after = self.names()
        assert {(one.sighting_id, one.before, one.after) for one in found.changes} == {
            (number, name, after[number]) for number, name in before.items() if after[number] != name
        }

    @rule(
        place=st.tuples(st.integers(0, 2), st.integers(0, 2)),
        kind=st.sampled_from([CorrectionKind.IS, CorrectionKind.IS_NOT, CorrectionKind.IGNORE]),
        data=st.data(),
    )
    def correct(self, place: tuple[int, int], kind: CorrectionKind, data: st.DataObject) -> None:
        people = sorted(one.name for one in self.gallery.people())
        name = None if kind is CorrectionKind.IGNORE else data.draw(st.sampled_from(people), label="name")
        number = self.sightings()[place].sighting_id
        self.exactly(lambda: self.gallery.correct([number], kind, name=name))
        newest = self.gallery.correction_history(1)[0].correction_id
        self.said.setdefault(place, Said()).facts.append((newest, kind, name))

    @rule(film=st.integers(0, 2), first_number=st.integers(0, 50))
    def run_again(self, film: int, first_number: int) -> None:
        self.analyse(film, first_number)

    @precondition(lambda self: len(self.gallery.people()) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        people = sorted(one.name for one in self.gallery.people())
        kept, gone = data.draw(st.permutations(people), label="people")[:2]
        self.exactly(lambda: self.gallery.merge(kept, gone))
        for said in self.said.values():
            said.facts = [(number, kind, kept if name == gone else name) for number, kind, name in said.facts]

    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        """Whoever was said not to be a person is neither part of them; that comes as one correction with the first."""
        who = data.draw(st.sampled_from(sorted(one.name for one in self.gallery.people())), label="who")
        pictures = self.gallery.pictures(who)
        if not pictures:
            return
        self.number += 1
        new = f"Part {self.number}"
        self.exactly(lambda: self.gallery.split(who, new, [pictures[0].picture_id]))
        for said in self.said.values():
            facts = []
            for number, kind, name in said.facts:
                facts.append((number, kind, name))
                if kind is CorrectionKind.IS_NOT and name == who:
                    facts.append((number, kind, new))
            said.facts = facts

    @precondition(lambda self: self.said)
    @rule()
    def undo_the_last(self) -> None:
        holding = [one for one in self.gallery.correction_history(200) if one.undone_at is None]
        if not holding:
            return
        chosen = holding[-1].correction_id
        self.exactly(lambda: self.gallery.undo_correction(chosen))
        for said in self.said.values():
            said.facts = [fact for fact in said.facts if fact[0] != chosen]

    @rule()
    def open_again(self) -> None:
        folder = self.gallery.folder
        self.gallery.close()
        self.gallery = gallery(folder)

    @rule()
    def move_by_export(self) -> None:
        archive = Path(self.folder.name) / f"export{self.number}.zip"
        export_gallery(self.gallery, archive)
        self.take_over(lambda: import_gallery(self.gallery, archive))
        archive.unlink()

    @rule()
    def change_the_model(self) -> None:
        """Embeddings of another network can't be compared: facts hold by their moments and boxes alone."""
        records = export_corrections(self.gallery, embeddings=False)
        people = [(one.name, self.gallery.roll.embeddings(one.name)) for one in self.gallery.people()]

        def bring() -> None:
            for name, looks in people:
                for look in looks:
                    add(self.gallery, name, look)
            import_corrections(self.gallery, records)

        self.take_over(bring)

    def take_over(self, bring: Callable[[], object]) -> None:
        """Go on with another gallery, which knows films only once they are analysed."""
        before = self.gallery
        held = {one.correction_id for one in before.correction_history(500) if one.undone_at is None}
        order = [f"c{row['id']}" for row, _ in before.corrections.holding()]
        self.gallery = gallery(self.place())
        bring()
        before.close()
        after = [f"c{row['id']}" for row, _ in self.gallery.corrections.holding()]
        assert len(after) == len(order) == len(held)
        moved = dict(zip(order, after, strict=True))
        for said in self.said.values():
            said.facts = [(moved[number], kind, name) for number, kind, name in said.facts]
        for film in range(3):
            self.analyse(film, 0)

    @invariant()
    def no_corrected_sighting_has_a_wrong_name(self) -> None:
        found = self.sightings()
        assert len(found) == 9
        for place, said in self.said.items():
            seen = found[place]
            assert said.allows(seen.name, is_ignored=seen.is_ignored), (place, seen.name, said.facts)

    def teardown(self) -> None:
        self.gallery.close()
        self.patch.undo()
        self.folder.cleanup()


TestCorrected = Corrected.TestCase
TestCorrected.settings = settings(max_examples=10, stateful_step_count=10, deadline=None)
