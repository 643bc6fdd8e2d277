"""People: everyone with a name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.convertors import Convertor, register_url_convertor

from visage.web.api.callers import CURSOR, ERRORS, PAGED, Parts, Responses, ViewerCaller, link_next
from visage.web.auth import Principal, allow
from visage.web.pictures import PICTURE_FORMATS, check_picture, reading
from visage.web.ports import PeopleFilter
from visage.web.records import ErrorRecord, PersonRecord
from visage.web.tokens import Role

__all__ = ["NAME_PATTERN", "router"]

NAME_PATTERN = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
MISSING: Responses = {404: {"model": ErrorRecord, "description": "There is no such person."}}

router = APIRouter(prefix="/people", tags=["people"], responses=ERRORS)


class _PersonId(Convertor[str]):
    """An id and no name, which would stay in the audit log, and in those of others, when the person is forgotten."""

    regex = "p(?:0|[1-9][0-9]*)"  # one spelling each: the audit log has it as it was asked for

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("person", _PersonId())


class Naming(BaseModel):
    """The new name of a person or unknown: 1 to 120 characters."""

    name: str = Field(min_length=1, max_length=120, pattern=NAME_PATTERN, examples=["Ada"])


class Merging(BaseModel):
    """The person to be merged into the one in the path."""

    merged_id: str = Field(
        pattern=r"^p(0|[1-9][0-9]*)$",
        max_length=120,
        examples=["p9"],
        description="Id of the person to merge into the one in the path.",
    )


@router.get(
    "", responses={**PAGED, 404: {"model": ErrorRecord, "description": "The cursor's person no longer exists."}}
)
def list_people(
    request: Request,
    answer: Response,
    parts: Parts,
    _caller: ViewerCaller,
    search: Annotated[
        str, Query(max_length=120, description="Part of the name; case and accents do not matter.", examples=["ada"])
    ] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(pattern=r"^p(0|[1-9][0-9]*)$", max_length=20, description=CURSOR)] = None,
) -> list[PersonRecord]:
    """Return the people with a name, sorted by name, a page at a time. `X-Total-Count` is their number on all pages."""
    page = parts.people.people(PeopleFilter(search, limit, cursor))
    link_next(request, answer, page.after)
    answer.headers["x-total-count"] = str(page.total)
    return list(page.people)


@router.get("/{person_id:person}", responses=MISSING)
def show_person(
    person_id: str,
    parts: Parts,
    _caller: Annotated[Principal, Depends(allow(Role.VIEWER, audit="person.look"), scope="function")],
) -> PersonRecord:
    """Return one person. 404 if no one has this id."""
    return parts.people.person(person_id)


@router.get(
    "/{person_id:person}/portrait", response_class=Response, responses={**MISSING, 200: {"content": {"image/jpeg": {}}}}
)
def person_portrait(
    person_id: str,
    parts: Parts,
    _caller: ViewerCaller,
) -> Response:
    """Return a person's face as JPEG. 404 unless crops are kept."""
    return Response(parts.people.portrait(person_id), media_type="image/jpeg")


@router.post("", status_code=201, responses={422: {"model": ErrorRecord, "description": "No usable face."}})
def add_person(
    parts: Parts,
    name: Annotated[str, Form(min_length=1, max_length=120, pattern=NAME_PATTERN)],
    pictures: Annotated[list[UploadFile], File(description=f"{PICTURE_FORMATS}, one face each.")],
    caller: Annotated[Principal, Depends(allow(Role.OPERATOR, audit="person.add"), scope="function")],
) -> PersonRecord:
    """Enrol a person from pictures, or add pictures to the person of that name.

    If any picture can't be used (422) nothing is added.
    """
    with reading:
        data = [check_picture(picture.file.read(), f"picture {number}") for number, picture in enumerate(pictures, 1)]
        person = parts.people.add_person(name, data)
    caller.concerns.append(person.person_id)
    return person


@router.patch("/{person_id:person}", responses=MISSING)
def rename_person(
    person_id: str,
    naming: Naming,
    parts: Parts,
    _caller: Annotated[Principal, Depends(allow(Role.OPERATOR, audit="person.rename"), scope="function")],
) -> PersonRecord:
    """Rename a person. 409 if another person has that name."""
    return parts.people.rename_person(person_id, naming.name)


@router.post("/{person_id:person}/merge", responses=MISSING)
def merge_people(
    person_id: str,
    merging: Merging,
    parts: Parts,
    caller: Annotated[Principal, Depends(allow(Role.OPERATOR, audit="person.merge"), scope="function")],
) -> PersonRecord:
    """Merge another person into this one, who keeps the name. 409 if both ids are the same."""
    caller.concerns.append(merging.merged_id)
    return parts.people.merge_people(person_id, merging.merged_id)


@router.delete("/{person_id:person}", responses=MISSING)
def forget_person(
    person_id: str,
    parts: Parts,
    _caller: Annotated[Principal, Depends(allow(Role.ADMIN, audit="person.forget"), scope="function")],
) -> dict[str, int]:
    """Delete everything that is kept of a person; returns how many pictures, sightings, vectors and crops were deleted.

    `waiting_vectors` is present when the index could not be reached: it still holds that many copies, which no search
    returns, and deletes them once it is back. 503 if the deletion could not be completed: repeat it.
    """
    return parts.people.forget_person(person_id)
