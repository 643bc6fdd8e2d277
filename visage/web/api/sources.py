"""Sources: what is being watched, in what state, and at which rate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, SecretStr

from stages.addresses import redact_credentials
from visage.web.api.callers import ERRORS, Parts, Responses, ViewerCaller
from visage.web.auth import Principal, allow
from visage.web.errors import Conflict, NotFound
from visage.web.ports import NewSource
from visage.web.records import ErrorRecord, SourceRecord
from visage.web.rules import check_address
from visage.web.tokens import Role

__all__ = ["router"]

MISSING: Responses = {404: {"model": ErrorRecord, "description": "There is no such source."}}

router = APIRouter(prefix="/sources", tags=["sources"], responses=ERRORS)


class SourceRequest(BaseModel):
    """A source to add. Its address must be allowed by `web.add_source`, otherwise the answer is 403."""

    uri: SecretStr = Field(min_length=1, max_length=2000, examples=["rtsp://user:password@192.168.1.20/main"])
    source_id: str | None = Field(
        None, pattern=r"^[\w+-][\w.+-]*$", max_length=80, description="A camera's name; by default from its address."
    )


@router.get("")
def list_sources(parts: Parts, _caller: ViewerCaller) -> list[SourceRecord]:
    """Return all cameras and folders, and the files that are being analysed."""
    return list(parts.service.sources())


@router.get("/{source_id}", responses=MISSING)
def show_source(source_id: str, parts: Parts, _caller: ViewerCaller) -> SourceRecord:
    """Return one source. 404 if none has this id."""
    for source in parts.service.sources():
        if source.source_id == source_id:
            return source
    raise NotFound(f"there is no source {source_id!r}")


@router.post("", status_code=201, responses={409: {"model": ErrorRecord, "description": "The name is taken."}})
def add_source(
    wanted: SourceRequest,
    parts: Parts,
    caller: Annotated[Principal, Depends(allow(Role.OPERATOR, audit="source.add"), scope="function")],
) -> SourceRecord:
    """Add a source. Cameras are kept across restarts; a file is analysed once and named after its path.

    403 if no rule allows the address, 409 if the name is taken, 404 if a file can't be read.
    """
    uri = check_address(wanted.uri.get_secret_value(), parts.settings.add_source)
    is_live = not uri.startswith("/")
    source_id = (wanted.source_id if is_live else None) or _name(uri)
    caller.concerns.append(source_id)
    if is_live and any(source.source_id == source_id for source in parts.service.sources()):
        raise Conflict(f"there is a source {source_id!r} already; give this one another source_id")
    return parts.service.add_source(NewSource(uri, source_id, is_live=is_live))


@router.post("/{source_id}/pause", responses=MISSING)
def pause_source(
    source_id: str,
    parts: Parts,
    _caller: Annotated[Principal, Depends(allow(Role.OPERATOR, audit="source.pause"), scope="function")],
) -> SourceRecord:
    """Stop reading a source until it is resumed. 404 if it is unknown."""
    return parts.service.pause_source(source_id)


@router.post("/{source_id}/resume", responses=MISSING)
def resume_source(
    source_id: str,
    parts: Parts,
    _caller: Annotated[Principal, Depends(allow(Role.OPERATOR, audit="source.resume"), scope="function")],
) -> SourceRecord:
    """Resume a paused source. 404 if it is unknown."""
    return parts.service.resume_source(source_id)


@router.delete("/{source_id}", status_code=204, responses=MISSING)
def remove_source(
    source_id: str,
    parts: Parts,
    _caller: Annotated[Principal, Depends(allow(Role.OPERATOR, audit="source.remove"), scope="function")],
) -> None:
    """Stop a source and forget it. One from the configuration is back after a restart. 404 if it is unknown."""
    parts.service.remove_source(source_id)


def _name(uri: str) -> str:
    """A file's stem; a stream's host and path, without credentials."""
    if uri.startswith("/"):
        name = Path(uri).stem
    else:
        address = urlsplit(redact_credentials(uri))
        name = "-".join(filter(None, [address.hostname or "", *address.path.split("/")]))
    return re.sub(r"[^\w.+-]+", "_", name).strip("._-")[:80] or "source"
