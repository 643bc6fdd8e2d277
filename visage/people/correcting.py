"""Corrects sightings: stores what somebody said and has it take effect, at once and whenever decisions are made again.

`enforce` is the invariant: after any change of people, each corrected sighting is what its corrections allow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from visage.people.correction_rule import CorrectionKind, ruling
from visage.people.corrections import ANCHORED, Corrections
from visage.people.database import Database, Row, Value
from visage.people.errors import CorrectionRefused, NoSuchPerson
from visage.people.names import clean_name
from visage.people.person_store import PersonStore, number_of
from visage.people.records import CorrectionRecord, NameChange, Preview
from visage.people.unknowns import TRACKS, Unknowns, point_of
from visage.people.vectors import VectorCodec

__all__ = ["Correcting"]

SHOWN = """
CASE WHEN person_id IS NOT NULL THEN (SELECT name FROM people WHERE id = person_id)
    WHEN is_ignored THEN 'ignored' WHEN unknown_id IS NOT NULL THEN 'Unknown ' || unknown_id ELSE 'unknown' END
"""


class Correcting:
    """Corrects the sightings of one gallery. Safe from any thread; every method is one transaction."""

    def __init__(
        self, database: Database, codec: VectorCodec, roll: PersonStore, unknowns: Unknowns, corrections: Corrections
    ) -> None:
        self._database = database
        self._codec = codec
        self._roll = roll
        self._unknowns = unknowns
        self._corrections = corrections

    def correct(
        self, sightings: Sequence[str], kind: CorrectionKind, *, name: str | None, actor: str | None
    ) -> list[CorrectionRecord]:
        """See `Gallery.correct`."""
        if (name is not None) != (kind in (CorrectionKind.IS, CorrectionKind.IS_NOT)):
            raise CorrectionRefused(f"a name belongs to the kinds 'is' and 'is-not', not to {kind.value!r}")
        with self._database.transaction():
            rows = [self._sighting(sighting) for sighting in dict.fromkeys(sightings)]
            if kind is CorrectionKind.DIFFERENT and len(rows) != 2:  # noqa: PLR2004 - of each other
                raise CorrectionRefused("give the two sightings that show different people")
            person = None if name is None else self._person(name, kind)
            who = self._database.user() if actor is None else actor
            numbers = [self._corrections.add(kind, row, actor=who, person=person) for row in rows]
            if kind is CorrectionKind.DIFFERENT:
                self._corrections.join(*numbers)
                self._part([row["id"] for row in rows])
            self.enforce()
            self._database.people_changed()
        found = [self._corrections.record(number) for number in numbers]
        return [record for record in found if record is not None]

    def undo(self, correction: str | None, *, actor: str | None) -> CorrectionRecord:
        """See `Gallery.undo_correction`."""
        with self._database.transaction():
            number = self._holding(correction)
            who = self._database.user() if actor is None else actor
            before = self._corrections.take_back(number, actor=who)
            for link in before:
                self._restore(link)
            self.enforce()
            self._unknowns.remove_unseen()
            self._database.people_changed()
        record = self._corrections.record(number)
        assert record is not None
        return record

    def enforce(self) -> None:
        """Make every corrected sighting what its corrections allow; may be part of the caller's transaction."""
        with self._database.transaction():
            touched: set[int] = set()
            for row in self._corrections.corrected():
                said = ruling(self._corrections.of_sighting(row["id"]))
                is_right = said.allows(row["person_id"]) and said.is_ignored == bool(row["is_ignored"])
                if is_right and (row["unknown_id"] is None or not said.is_ignored):
                    continue
                if row["unknown_id"] is not None:
                    touched.add(int(row["unknown_id"]))
                if said.person is not None or said.is_ignored:
                    self._set(row["id"], person=said.person, is_ignored=said.is_ignored)
                else:
                    self._unname(row["id"])
            self._unknowns.refresh(sorted(touched))

    def preview(self, change: Callable[[], object]) -> Preview:
        """See `Gallery.preview`."""
        found: list[NameChange] = []
        total = 0
        try:
            with self._database.transaction():
                self._database.write(f"CREATE TEMP TABLE shown AS SELECT id, {SHOWN} AS name FROM sightings")
                change()
                rows = self._database.rows(
                    f"SELECT sightings.id, shown.name AS before, {SHOWN} AS after"
                    " FROM sightings JOIN shown ON shown.id = sightings.id"
                    " WHERE before IS NOT after ORDER BY sightings.id"
                )
                found = [NameChange(f"s{row['id']}", row["before"], row["after"]) for row in rows]
                row = self._database.row("SELECT count(*) FROM shown")
                total = 0 if row is None else int(row[0])
                raise _Discarded
        except _Discarded:
            pass
        finally:
            self._unknowns.reload()  # its clusters may hold what was rolled back
        return Preview(found, total)

    def _person(self, name: str, kind: CorrectionKind) -> int:
        """The number of a person; "is" makes a new one. Raises NoSuchPerson, NameRefused."""
        try:
            return self._roll.key(name)
        except NoSuchPerson:
            if kind is not CorrectionKind.IS or number_of(name, "p") is not None:
                raise
            return self._roll.create(clean_name(name))

    def _sighting(self, sighting: str) -> Row:
        row = self._database.row(f"{ANCHORED} WHERE id = ?", [number_of(sighting, "s")])
        if row is None:
            raise NoSuchPerson(f"there is no sighting {sighting!r}; `visage people show NAME` lists them")
        return row

    def _holding(self, correction: str | None) -> int:
        """The number of a correction that holds, or of the last one. Raises CorrectionRefused."""
        number = None if correction is None else number_of(correction, "c")
        row = self._database.row(
            "SELECT id FROM corrections WHERE undone_at IS NULL AND (? IS NULL OR id = ?) ORDER BY id DESC LIMIT 1",
            [correction, number],
        )
        if row is None:
            what = "no correction to undo" if correction is None else f"no correction {correction!r} that holds"
            raise CorrectionRefused(f"there is {what}; `visage people history` lists them")
        return int(row["id"])

    def _restore(self, link: Row) -> None:
        """Make a sighting again what it was before a correction, as far as that is still there."""
        number, person, unknown = link["sighting_id"], link["was_person"], link["was_unknown"]
        if person is not None and self._database.row("SELECT 1 FROM people WHERE id = ?", [person]) is not None:
            self._set(number, person=person, similarity=link["was_similarity"])
        elif unknown is not None and self._database.row("SELECT 1 FROM unknowns WHERE id = ?", [unknown]) is not None:
            self._set(number, unknown=unknown)
            self._unknowns.refresh([unknown])
        elif link["was_ignored"]:
            self._set(number, is_ignored=True)
        else:
            self._unname(number)

    def _part(self, sightings: Sequence[int]) -> None:
        """Take the second of two sightings out of their unknown, if they share one."""
        one, other = (self._sighting(f"s{number}") for number in sightings)
        if one["unknown_id"] is not None and one["unknown_id"] == other["unknown_id"]:
            self._unname(other["id"])
            self._unknowns.refresh([int(one["unknown_id"])])

    def _unname(self, number: int) -> None:
        """Give a sighting to the unknown whom it is like, or to a new one."""
        self._set(number)
        row = self._database.row(f"{TRACKS} WHERE id = ?", [number])
        assert row is not None
        if row["embedding"] is not None:
            apart = self._corrections.pairs().get(number, frozenset())
            point = point_of(row, self._codec.decode(row["embedding"]), apart)
            unknown = self._unknowns.assign(point, excluded=self._corrections.apart_from(apart))
            self._database.write("UPDATE sightings SET unknown_id = ? WHERE id = ?", [unknown, number])

    def _set(
        self,
        number: int,
        *,
        person: int | None = None,
        unknown: int | None = None,
        similarity: Value = None,
        is_ignored: bool = False,
    ) -> None:
        self._database.write(
            "UPDATE sightings SET person_id = ?, unknown_id = ?, similarity = ?, is_ignored = ?, is_indexed = 0"
            " WHERE id = ?",
            [person, unknown, similarity, is_ignored, number],
        )


class _Discarded(Exception):
    """Rolls a previewed change back."""
