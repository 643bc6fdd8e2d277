"""Unknowns: people without a name who were seen often enough to be worth one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from visage.web.api.callers import ERRORS, Parts, Responses, ViewerCaller
from visage.web.api.people import Naming
from visage.web.auth import Principal, allow
from visage.web.records import ErrorRecord, PersonRecord, UnknownRecord
from visage.web.tokens import Role

__all__ = ["router"]

MISSING: Responses = {404: {"model": ErrorRecord, "description": "There is no such unknown."}}

router = APIRouter(prefix="/unknowns", tags=["unknowns"], responses=ERRORS)


@router.get("")
def list_unknowns(parts: Parts, _caller: ViewerCaller) -> list[UnknownRecord]:
    """Return the people without a name."""
    return list(parts.people.unknowns())


@router.get(
    "/{unknown_id}/portrait", response_class=Response, responses={**MISSING, 200: {"content": {"image/jpeg": {}}}}
)
def unknown_portrait(unknown_id: str, parts: Parts, _caller: ViewerCaller) -> Response:
    """Return an unknown's face as JPEG. 404 unless crops are kept."""
    return Response(parts.people.portrait(unknown_id), media_type="image/jpeg")


@router.post("/{unknown_id}/name", responses=MISSING)
def name_unknown(
    unknown_id: str,
    naming: Naming,
    parts: Parts,
    caller: Annotated[Principal, Depends(allow(Role.OPERATOR, audit="unknown.name"), scope="function")],
) -> PersonRecord:
    """Give an unknown a name, for past and future sightings. An existing name merges the unknown into that person."""
    person = parts.people.name_unknown(unknown_id, naming.name)
    caller.concerns.append(person.person_id)
    return person
