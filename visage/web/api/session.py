"""Sessions of the page: a token in exchange for a cookie that no script can read."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from visage.web.api.callers import ERRORS, Parts, ViewerCaller
from visage.web.auth import COOKIE, client_of
from visage.web.records import SessionRecord
from visage.web.sessions import SESSION_SECONDS

__all__ = ["router"]

router = APIRouter(prefix="/session", tags=["session"], responses=ERRORS)


class Login(BaseModel):
    """A token."""

    token: SecretStr = Field(max_length=200, examples=["visage_1f2e3d4c_..."])


@router.get("")
def who_am_i(parts: Parts, caller: ViewerCaller) -> SessionRecord:
    """Who the caller is, and what it may do."""
    return SessionRecord(name=caller.name, role=caller.role.label, open=parts.authenticator.is_open)


@router.post("")
def log_in(login: Login, parts: Parts, request: Request, response: Response) -> SessionRecord:
    """Begin a session; the cookie is for the page alone (HttpOnly, SameSite=Strict)."""
    client = client_of(request)
    secret = login.token.get_secret_value()
    caller = parts.authenticator.check(secret, client)
    parts.audit.record(who=caller.name, client=client, action="session.begin", subject="", outcome="done")
    token = parts.authenticator.tokens.find(secret)
    value = parts.authenticator.sessions.begin(token.token_id if token else "")
    response.set_cookie(
        COOKIE, value, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return SessionRecord(name=caller.name, role=caller.role.label, open=False)


@router.delete("", status_code=204)
def log_out(parts: Parts, request: Request, response: Response) -> None:
    """End the session, if there is one."""
    parts.authenticator.sessions.end(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE)
