"""Sessions of the page: a token is exchanged for a cookie that scripts can't read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field, SecretStr

from visage.web.api.callers import ERRORS, Parts, ViewerCaller
from visage.web.auth import COOKIE, Principal, allow, client_of
from visage.web.records import SessionRecord
from visage.web.sessions import INVITATION_SECONDS, SESSION_SECONDS
from visage.web.tokens import Role

__all__ = ["router"]

router = APIRouter(prefix="/session", tags=["session"], responses=ERRORS)

# Links outlive what is on the screen, so they stand in the audit log.
InvitingCaller = Annotated[Principal, Depends(allow(Role.VIEWER, audit="session.invite"), scope="function")]


class Login(BaseModel):
    """A token, or the code of a sign-in link."""

    token: SecretStr = Field(max_length=200, examples=["visage_1f2e3d4c_..."])


class Invitation(BaseModel):
    """What a sign-in link carries: `<address of the page>#sign-in=<code>`."""

    code: str = Field(examples=["q1Yw..."])
    seconds: int = Field(description="Seconds for which the code is valid, once.", examples=[INVITATION_SECONDS])


@router.get("")
def who_am_i(caller: ViewerCaller) -> SessionRecord:
    """Return the caller's name and role. 401 without a valid token or session."""
    return SessionRecord(name=caller.name, role=caller.role.label)


@router.post("")
def log_in(login: Login, parts: Parts, request: Request, response: Response) -> SessionRecord:
    """Begin a session; the cookie is for the page alone (HttpOnly, SameSite=Strict)."""
    client = client_of(request)
    secret = login.token.get_secret_value()
    caller = parts.authenticator.accept(secret, client) or parts.authenticator.check(secret, client)
    parts.audit.record(who=caller.name, client=client, action="session.begin", subject="", outcome="done")
    value = parts.authenticator.sessions.begin(caller.token_id)
    is_secure = request.url.scheme == "https"
    path = f"{request.scope.get('root_path', '')}/"
    response.set_cookie(
        COOKIE, value, max_age=SESSION_SECONDS, path=path, httponly=True, samesite="strict", secure=is_secure
    )
    return SessionRecord(name=caller.name, role=caller.role.label)


@router.post("/invitation", status_code=201)
def invite(parts: Parts, caller: InvitingCaller) -> Invitation:
    """Create a code for a link that signs in once, with the caller's role, within a few minutes."""
    return Invitation(code=parts.authenticator.sessions.invite(caller.token_id), seconds=INVITATION_SECONDS)


@router.delete("", status_code=204)
def log_out(parts: Parts, request: Request, response: Response) -> None:
    """End the caller's session; without effect if there is none."""
    parts.authenticator.sessions.end(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, path=f"{request.scope.get('root_path', '')}/")
