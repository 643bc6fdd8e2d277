"""Authentication and authorization: who a caller is, and what it may do.

A caller presents a token (`Authorization: Bearer ...`) or a session's cookie. An address admits no caller: a request
from 127.0.0.1 may have come through a reverse proxy or from another user of the machine. The person who runs the daemon
presents the local token, see `visage.web.local`. A valid token always gets in; ten wrong ones a minute from one
address, and the next wrong ones are answered with 429.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from visage.web.errors import Refused, TokenStoreError
from visage.web.limits import RateLimiter
from visage.web.local import LocalAccess
from visage.web.proxies import path_within
from visage.web.sessions import Sessions
from visage.web.tokens import Role, Token, TokenStore

__all__ = ["COOKIE", "Authenticator", "Forbidden", "Principal", "Unauthenticated", "allow", "client_of"]

COOKIE = "visage_session"
WRONG_TOKENS_PER_SECOND = 10 / 60
WRONG_TOKENS_AT_ONCE = 10


class Authenticator:
    """Identifies callers by token or session. Safe from any thread."""

    def __init__(self, tokens: TokenStore, sessions: Sessions, local: LocalAccess) -> None:
        self.tokens = tokens
        self.sessions = sessions
        self.local = local
        self._wrong = RateLimiter(WRONG_TOKENS_PER_SECOND, WRONG_TOKENS_AT_ONCE)

    def identify(self, request: Request) -> Principal:
        """Raises Unauthenticated, Forbidden, TooMany, TokenStoreError."""
        client = client_of(request)
        presented = _bearer(request.headers)
        linked = request.query_params.get("token")
        if presented is None and linked is not None and (token := self.tokens.find(linked)) and token.source_id:
            presented = linked  # any other token has no place in an address, which is kept in logs and histories
        if presented is not None:
            principal = self.check(presented, client)
            token = self._by_id(principal.token_id)
        else:
            token = self._of_session(request.cookies.get(COOKIE, ""))
        if token is None:
            raise Unauthenticated(
                "sign in first: `visage open` on the daemon's machine, or a token of `visage token create NAME`"
            )
        if token.source_id and path_within(request.scope) not in pictures_of(token.source_id):
            raise Forbidden(f"the token {token.name!r} shows the pictures of {token.source_id!r} only")
        return _principal(token, client)

    def check(self, presented: str, client: str) -> Principal:
        """Whose token this is. Raises Unauthenticated, TooMany, TokenStoreError."""
        token = self._find(presented)
        if token is None:
            self._wrong.spend(client)  # after the look: a valid token is never held up by the wrong ones of others
            raise Unauthenticated("this token is not valid; it may have been revoked")
        return _principal(token, client)

    def accept(self, code: str, client: str) -> Principal | None:
        """Who signs in with the code of a link; None if it is not a code that still works. Raises TokenStoreError."""
        token_id = self.sessions.accept(code)
        token = self._by_id(token_id) if token_id else None
        return _principal(token, client) if token else None

    def account(self, headers: Headers) -> str | None:
        """The id of the valid token that a request comes with, for its share of requests; None without one."""
        try:
            presented = _bearer(headers)
            if presented is not None:
                token = self._find(presented)
            else:
                token = self._of_session(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""))
        except TokenStoreError:  # the route says so
            return None
        return token.token_id if token else None

    def knows(self, principal: Principal) -> bool:
        """Return whether a caller whose response is still being streamed would still be let in. Never raises."""
        try:
            return self._by_id(principal.token_id) is not None
        except TokenStoreError:  # a new request would not be let in either
            return False

    def _find(self, presented: str) -> Token | None:
        return self.local.find(presented) or self.tokens.find(presented)

    def _of_session(self, cookie: str) -> Token | None:
        token_id = self.sessions.token_id(cookie)
        return self._by_id(token_id) if token_id else None

    def _by_id(self, token_id: str) -> Token | None:
        return self.local.token if token_id == self.local.token.token_id else self.tokens.by_id(token_id)


class Unauthenticated(Refused):
    """Raised when a request has no token or an invalid one (HTTP 401)."""

    status = 401


class Forbidden(Refused):
    """Raised when the token's role does not allow the request (HTTP 403)."""

    status = 403


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        name: of the token; "local" for the local token.
        client: the address the request came from.
        concerns: the ids of people or sources that the request is about, besides those in its path; routes add them for
            the audit log.
    """

    name: str
    role: Role
    client: str
    token_id: str
    concerns: list[str] = field(default_factory=list)


def pictures_of(source_id: str) -> tuple[str, ...]:
    """Return the two paths that a token limited to one camera may request."""
    return tuple(f"/api/v1/sources/{source_id}/{name}" for name in ("snapshot.jpg", "live.mjpg"))


def client_of(request: Request) -> str:
    """Return the address a request came from, for limits and the audit log; "unknown" without one."""
    return request.client.host if request.client else "unknown"


def allow(role: Role, *, audit: str | None = None) -> Callable[[Request], Iterator[Principal]]:
    """Return a route's dependency that yields the caller if its role is at least `role`.

    The dependency raises Unauthenticated, Forbidden or TooMany.

    Args:
        audit: the action for the audit log, with the path's parameters as its subject, refused attempts included. None
            writes no entry.
    """

    def check(request: Request) -> Iterator[Principal]:
        context = request.app.state.context
        authenticator: Authenticator = context.authenticator
        principal = authenticator.identify(request)

        def record(outcome: str) -> None:
            if audit is not None:
                subject = " ".join([*map(str, request.path_params.values()), *principal.concerns])
                who, client = f"{principal.name} ({principal.role.label})", principal.client
                context.audit.record(who=who, client=client, action=audit, subject=subject, outcome=outcome)

        if principal.role < role:
            record("forbidden")
            raise Forbidden(f"this needs the role {role.label}; the token {principal.name!r} is {principal.role.label}")
        record("begun")
        try:
            yield principal
        except Exception as error:
            record(f"failed: {type(error).__name__}")
            raise
        record("done")

    return check


def _principal(token: Token, client: str) -> Principal:
    return Principal(token.name, token.role, client, token.token_id)


def _bearer(headers: Headers) -> str | None:
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    return presented.strip() if scheme.lower() == "bearer" else None
