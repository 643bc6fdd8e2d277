"""Search: where a face in a picture was seen."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, File, UploadFile

from visage.web.api.callers import ERRORS, Parts
from visage.web.api.sightings import Wanted
from visage.web.auth import Principal, allow
from visage.web.pictures import PICTURE_FORMATS, check_picture, reading
from visage.web.records import ErrorRecord, MatchRecord
from visage.web.tokens import Role

__all__ = ["router"]

router = APIRouter(prefix="/search", tags=["search"], responses=ERRORS)


@router.post("", responses={422: {"model": ErrorRecord, "description": "No usable face."}})
def search_faces(
    picture: Annotated[UploadFile, File(description=f"{PICTURE_FORMATS} with one face.")],
    wanted: Wanted,
    parts: Parts,
    _caller: Annotated[Principal, Depends(allow(Role.VIEWER, audit="search"), scope="function")],
) -> list[MatchRecord]:
    """Return the sightings most similar to the face in a picture, best first. The picture is not kept.

    422 if the picture can't be read or shows no face or several.
    """
    with reading:
        found = parts.people.search(check_picture(picture.file.read()), wanted)
    return list(found)
