"""Sightings: who was seen where and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator

from visage.web.api.callers import CURSOR, ERRORS, PAGED, Parts, link_next
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
    """Return the filter in the query's parameters; None is no condition."""
    return SightingFilter(person_id=person_id, source=source, since=since, until=until, limit=limit)


CURSOR_PATTERN = r"^[0-9]{1,12}\.[0-9]{1,9}-[0-9]{1,18}$"  # seconds since the epoch, and a sighting's number


Wanted = Annotated[SightingFilter, Depends(wanted_sightings)]


@router.get("", responses=PAGED)
def list_sightings(
    request: Request,
    answer: Response,
    wanted: Wanted,
    parts: Parts,
    caller: Annotated[Principal, Depends(allow(Role.VIEWER, audit="sightings.look"), scope="function")],
    cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN, description=CURSOR)] = None,
) -> list[SightingRecord]:
    """Return the sightings that match, newest first, a page at a time; `Link` has the next page's address."""
    caller.concerns.append(wanted.person_id or "everybody")
    page = parts.people.sightings(replace(wanted, after=cursor))
    link_next(request, answer, page.after)
    return list(page.sightings)
