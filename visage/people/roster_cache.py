"""The people of a gallery as the pipeline compares with them, loaded again when any process has changed them."""

from __future__ import annotations

import time

import numpy as np

from stages.identify.roster import Person, Roster
from visage.people.database import Database
from visage.people.person_store import PersonStore

__all__ = ["ROSTER_SECONDS", "RosterCache"]

ROSTER_SECONDS = 0.5
"""How long a change of the people may take to reach the pipeline."""


class RosterCache:
    """The people of one gallery. Safe from any thread; two that ask at once load them twice at worst."""

    def __init__(self, database: Database, roll: PersonStore, dimension: int) -> None:
        self._database = database
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
        places = {number: place for place, number in enumerate(names)}
        people = [Person(f"p{number}", name) for number, name in names.items()]
        return Roster(people, vectors, np.array([places[int(owner)] for owner in owners], np.intp))
