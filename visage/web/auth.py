"""Who a caller is and what it may do.

A caller presents a token (`Authorization: Bearer ...`) or a session's cookie. While no token was ever made, whoever
reaches a loopback address is this machine's user and may do everything; on any other address nobody may do anything.
Ten wrong tokens a minute from one address, and it has to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fastapi import Request

from visage.web.errors import Refused, TokenStoreError
from visage.web.limits import RateLimiter
from visage.web.sessions import Sessions
from visage.web.tokens import Role, TokenStore

__all__ = ["COOKIE", "Authenticator", "Forbidden", "Principal", "Unauthenticated", "allow", "client_of"]

COOKIE = "visage_session"
WRONG_TOKENS_PER_SECOND = 10 / 60
WRONG_TOKENS_AT_ONCE = 10


class Authenticator:
    """Finds out who a caller is."""

    def __init__(self, tokens: TokenStore, sessions: Sessions, *, open_without_tokens: bool) -> None:
        """`open_without_tokens`: only this machine can reach the address."""
        self.tokens = tokens
        self.sessions = sessions
        self._open_without_tokens = open_without_tokens
        self._wrong = RateLimiter(WRONG_TOKENS_PER_SECOND, WRONG_TOKENS_AT_ONCE)

    @property
    def is_open(self) -> bool:
        """Nobody needs a token. Once there was one this is over, so that revoking the last one lets nobody in."""
        return self._open_without_tokens and not self.tokens.path.exists()

    def identify(self, request: Request) -> Principal:
        """Raises Unauthenticated, TooMany."""
        client = client_of(request)
        if self.is_open:
            return Principal("local", Role.ADMIN, client)
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.check(presented.strip(), client)
        token_id = self.sessions.token_id(request.cookies.get(COOKIE, ""))
        token = self.tokens.by_id(token_id) if token_id else None
        if token is None:
            raise Unauthenticated("a token is needed: make one with `visage token create NAME --role viewer`")
        return Principal(token.name, token.role, client, token.token_id)

    def check(self, presented: str, client: str) -> Principal:
        """Whose token this is. Raises Unauthenticated, TooMany."""
        self._wrong.peek(client)
        token = self.tokens.find(presented)
        if token is None:
            self._wrong.spend(client)
            raise Unauthenticated("this token is not valid; it may have been revoked")
        return Principal(token.name, token.role, client, token.token_id)

    def knows(self, principal: Principal) -> bool:
        """Whether a caller whose answer goes on would still be let in."""
        try:
            return self.tokens.by_id(principal.token_id) is not None if principal.token_id else self.is_open
        except TokenStoreError:  # a new request would not be let in either
            return False


class Unauthenticated(Refused):
    """No token, or a wrong one."""

    status = 401


class Forbidden(Refused):
    """The token's role does not allow this."""

    status = 403


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller who is known.

    Attributes:
        name: of the token; "local" where nobody needs one.
        client: the address the request came from.
        token_id: empty where nobody needs a token.
        concerns: whom or what the request is about, besides what its path says; a route adds it for the audit log.
    """

    name: str
    role: Role
    client: str
    token_id: str = ""
    concerns: list[str] = field(default_factory=list)


def client_of(request: Request) -> str:
    """The address a request came from, for limits and the audit log."""
    return request.client.host if request.client else "unknown"


def allow(role: Role, *, audit: str | None = None) -> Callable[[Request], Iterator[Principal]]:
    """A route's dependency: the caller, if its role is at least this one.

    Args:
        audit: what the route does, for the audit log, with its path parameters as the subject; refused attempts too.
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
