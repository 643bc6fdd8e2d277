"""Who is enrolled, as the service asks the gallery: a person who was forgotten must not be named to anyone any more."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Final, Protocol

from pydantic import JsonValue

__all__ = ["FORGOTTEN", "EnrolledPeople", "without_forgotten"]

FORGOTTEN: Final[dict[str, JsonValue]] = {"id": None, "name": "unknown"}
"""What an event says of a person who was forgotten: as of a stranger."""


class EnrolledPeople(Protocol):
    """The part of `visage.people.Gallery` that the service needs."""

    def person_ids(self) -> Set[str]:
        """Return the ids of everyone who is enrolled. Quick: called for every event, on any thread."""

    def person_name(self, person_id: str) -> str:
        """Return a person's name. Raises NoSuchPerson."""


def without_forgotten(body: str, known: Set[str]) -> str:
    """Return an event's JSON without its person's name if that person's id is not in `known`, otherwise the same text.

    Raises ValueError if `body` is not JSON.
    """
    record: dict[str, JsonValue] = json.loads(body)
    person = record.get("person")
    if not isinstance(person, dict) or person.get("id") is None or person["id"] in known:
        return body
    record["person"] = {**person, **FORGOTTEN}
    return json.dumps(record, separators=(",", ":"), allow_nan=False)
