"""Checks that every request passes before a route sees it, and headers for every response.

In this order: the host name is one of ours (a page of another site that has its name point here is refused), the
request does not come from another site's page, the body is within its size, the caller within its rate: a valid token
has a rate of its own, everyone else shares that of the address. Answers get the
headers that keep a browser from running or framing anything that is not ours. Plain ASGI, so that streams stay streams.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visage.config.web import is_loopback
from visage.web.errors import TooMany
from visage.web.limits import RateLimiter
from visage.web.proxies import path_within

__all__ = ["CONTENT_SECURITY_POLICY", "Guard", "retry_after"]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
SIGN_IN = "/api/v1/session"  # slows wrong tokens down itself, so that a valid one gets in
HARMLESS = ("GET", "HEAD", "OPTIONS")


class Guard:
    """ASGI middleware: refuses foreign hosts and origins, and bodies over the limit in bytes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limiter: RateLimiter,
        most_bytes: int,
        allowed_hosts: tuple[str, ...],
        check_host: Callable[[], bool],
        account: Callable[[Headers], str | None],
    ) -> None:
        """Arguments that need a word.

        Args:
            check_host: no one but this machine's user is expected, so any other host name is an attack.
            account: the id of the valid token a request comes with, None without one.
        """
        self._app = app
        self._limiter = limiter
        self._most_bytes = most_bytes
        self._allowed_hosts = allowed_hosts
        self._check_host = check_host
        self._account = account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        body = _BoundedBody(receive, self._most_bytes)
        answer = _with_headers(send)

        async def unless_too_large(message: Message) -> None:
            if not body.is_too_large:  # otherwise the app answers for a body it did not get
                await answer(message)

        with contextlib.suppress(_BodyTooLarge):
            await self._app(scope, body.receive, unless_too_large)
        if body.is_too_large:
            await _refuse(413, _too_large(self._most_bytes))(scope, receive, answer)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._check_host() and not self._is_ours(host):
            return _refuse(421, "host name not allowed; add it to `web.allowed_hosts`")
        is_api = path_within(scope).startswith("/api/")
        site = headers.get("sec-fetch-site")
        if is_api and site in ("cross-site", "same-site"):
            return _refuse(403, "another site's page may not use this API")
        origin = headers.get("origin")
        # Behind a proxy that passes a host of its own on, the browser's word is all there is; no script can set it.
        is_own = origin is None or _netloc(origin) == host or site == "same-origin"
        if scope["method"] not in HARMLESS and not is_own:
            return _refuse(403, "another site's page may not use this API")
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self._most_bytes:
            return _refuse(413, _too_large(self._most_bytes))
        if is_api and path_within(scope) != SIGN_IN:
            client = scope["client"][0] if scope.get("client") else "unknown"
            try:
                self._limiter.spend(self._account(headers) or client)
            except TooMany as error:
                return _refuse(429, str(error), {"retry-after": retry_after(error)})
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:  # no address at all
            return False
        return is_loopback(name) or name in self._allowed_hosts


class _BodyTooLarge(Exception):
    """The body is over the limit; no more of it is read."""


class _BoundedBody:
    """A request's body, up to a size."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive = receive
        self._left = most_bytes

    @property
    def is_too_large(self) -> bool:
        return self._left < 0

    async def receive(self) -> Message:
        """The next message. Raises _BodyTooLarge."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self.is_too_large:
                raise _BodyTooLarge
        return message


def retry_after(error: TooMany) -> str:
    """When to come back, as the header `Retry-After` has it: whole seconds."""
    return str(max(1, math.ceil(error.retry_after_seconds)))


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # no address at all
        return None


def _with_headers(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return answer


def _too_large(most_bytes: int) -> str:
    return f"the body is larger than {most_bytes / 2**20:.3g} MiB, `web.upload_bytes`"


def _refuse(status: int, error: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error}, status_code=status, headers=headers)
