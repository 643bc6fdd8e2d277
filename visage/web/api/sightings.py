"""Sightings: who was seen where and when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator

from visage.web.api.callers import ERRORS, Parts
from visage.web.auth import Principal, allow
from visage.web.ports import SightingFilter
from visage.web.records import SightingRecord
from visage.web.tokens import Role

__all__ = ["Wanted", "router"]

FIRST_YEAR, LAST_YEAR = 1970, 9000

router = APIRouter(prefix="/sightings", tags=["sightings"], responses=ERRORS)


def _on_the_calendar(moment: datetime | None) -> datetime | None:
    """Not so early or late that arithmetic with it fails."""
    if moment is not None and not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"the year must be from {FIRST_YEAR} to {LAST_YEAR}")
    return moment


Moment = Annotated[datetime | None, AfterValidator(_on_the_calendar)]


def wanted_sightings(
    person_id: Annotated[
        str | None,
        Query(pattern=r"^[pu](0|[1-9][0-9]*)$", max_length=120, description="A person's or an unknown's id."),
    ] = None,
    source: Annotated[str | None, Query(max_length=120, description="A source, or a pattern such as `cam-*`.")] = None,
    since: Moment = None,
    until: Moment = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> SightingFilter:
    """The query's parameters."""
    return SightingFilter(person_id=person_id, source=source, since=since, until=until, limit=limit)


Wanted = Annotated[SightingFilter, Depends(wanted_sightings)]


@router.get("")
def list_sightings(
    wanted: Wanted,
    parts: Parts,
    caller: Annotated[Principal, Depends(allow(Role.VIEWER, audit="sightings.look"), scope="function")],
) -> list[SightingRecord]:
    """Sightings, newest first."""
    caller.concerns.append(wanted.person_id or "everybody")
    return list(parts.people.sightings(wanted))
