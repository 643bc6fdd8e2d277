"""The people of a gallery as the pipeline compares with them, loaded again when any process has changed them.

A face that was corrected is an example: of the person whom it was said to be, or of a nameless one, where a name was
refused or it is to be ignored. Who looks more like that than like anyone with a name stays without one.
"""

from __future__ import annotations

import time

import numpy as np

from stages.identify.evidence import UNKNOWN
from stages.identify.roster import Person, Roster
from visage.people.corrections import Corrections
from visage.people.database import Database
from visage.people.person_store import PersonStore

__all__ = ["ROSTER_SECONDS", "RosterCache"]

ROSTER_SECONDS = 0.5
"""How long a change of the people may take to reach the pipeline."""


class RosterCache:
    """The people of one gallery. Safe from any thread; two that ask at once load them twice at worst."""

    def __init__(self, database: Database, roll: PersonStore, corrections: Corrections, dimension: int) -> None:
        self._database = database
        self._corrections = corrections
        self._roll = roll
        self._roster = Roster.empty(dimension)
        self._revision: object = None
        self._checked_at = float("-inf")

    def current(self) -> Roster:
        """Return the current roster. Quick: looks for changes twice a second at most."""
        now = time.monotonic()
        if now - self._checked_at >= ROSTER_SECONDS:
            self._checked_at = now
            revision = self._database.meta("revision")
            if revision != self._revision or self._revision is None:
                self._roster = self._load()
                self._revision = revision
        return self._roster

    def _load(self) -> Roster:
        names = {row["id"]: row["name"] for row in self._database.rows("SELECT id, name FROM people ORDER BY id")}
        vectors, owners = self._roll.vectors()
        places: dict[int | None, int] = {number: place for place, number in enumerate(names)}
        people = [Person(f"p{number}", name) for number, name in names.items()]
        examples, shown = self._corrections.examples()
        if None in shown:
            places[None] = len(people)
            people.append(Person(None, UNKNOWN))
        owned = [places[owner] for owner in [*map(int, owners), *shown]]
        return Roster(people, np.concatenate([vectors, examples]), np.array(owned, np.intp))
