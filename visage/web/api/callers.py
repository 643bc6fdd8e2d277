"""What routes take as parameters: the app's parts, and the caller by its least role."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Request
from fastapi.responses import Response

from visage.web.auth import Principal, allow
from visage.web.context import Context, context_of
from visage.web.records import ErrorRecord
from visage.web.tokens import Role

__all__ = [
    "CURSOR",
    "ERRORS",
    "PAGED",
    "AdminCaller",
    "OperatorCaller",
    "Parts",
    "Responses",
    "ViewerCaller",
    "link_next",
]

Parts = Annotated[Context, Depends(context_of)]
ViewerCaller = Annotated[Principal, Depends(allow(Role.VIEWER), scope="function")]
OperatorCaller = Annotated[Principal, Depends(allow(Role.OPERATOR), scope="function")]
AdminCaller = Annotated[Principal, Depends(allow(Role.ADMIN), scope="function")]

Responses: TypeAlias = dict[int | str, dict[str, Any]]  # as FastAPI has it

CURSOR = "Where to go on: from the header `Link` of the page before."
PAGED: Responses = {
    200: {
        "headers": {
            "Link": {
                "description": 'The address of the next page, with `rel="next"`; absent on the last.',
                "schema": {"type": "string"},
            },
        }
    }
}

ERRORS: Responses = {
    401: {"model": ErrorRecord, "description": "Missing or invalid token."},
    403: {"model": ErrorRecord, "description": "The role, or a rule, does not allow this."},
    422: {"model": ErrorRecord, "description": "A parameter or the body is not as described here."},
    429: {"model": ErrorRecord, "description": "Too many requests; `Retry-After` says when to come back."},
    503: {"model": ErrorRecord, "description": "A part of the daemon that this needs is not there."},
}


def link_next(request: Request, answer: Response, cursor: str | None) -> None:
    """Say where the next page of a list is, if there is one, as RFC 8288 has it."""
    if cursor is not None:
        following = request.url.include_query_params(cursor=cursor)
        answer.headers["link"] = f'<{following.path.rpartition("/")[2]}?{following.query}>; rel="next"'
