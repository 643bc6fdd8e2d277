"""The application: routes, what guards them, and the page's files.

Everything under `/api/v1` is described in `/api/openapi.json`. Answers that are no success are `{"error": "..."}`, one
line for a person.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import Router

from visage import __version__
from visage.config.web import WebSettings, is_loopback
from visage.web.api import events, health, live, people, search, session, sightings, sources, system, unknowns
from visage.web.audit import AuditLog
from visage.web.auth import Authenticator, Unauthenticated
from visage.web.context import Context, WebParts
from visage.web.errors import Refused, TooMany, Unavailable, WebError
from visage.web.feed import EventFeed
from visage.web.guard import Guard, retry_after
from visage.web.history import Throughput
from visage.web.limits import RateLimiter
from visage.web.local import LocalAccess
from visage.web.proxies import ProxyHeaders
from visage.web.sessions import Sessions
from visage.web.tokens import TokenStore

__all__ = ["WebParts", "create_app"]

STATIC = Path(__file__).with_name("static")
ABOUT = """Faces in video, as they are seen: sources, people, unknowns, sightings, events and live pictures.

Callers present a token, `Authorization: Bearer visage_...`, made by `visage token create`. The user who runs the daemon
has one already, in `local.json` of its state directory; `visage open` uses it to sign the page in.
"""

# For the documentation: who a caller is, `visage.web.auth` finds out.
BEARER = HTTPBearer(auto_error=False, description="A token of `visage token create`; the page uses a session instead.")

logger = logging.getLogger(__name__)


def create_app(settings: WebSettings, parts: WebParts) -> FastAPI:
    """The whole application over these ports; `app.state.context` holds its parts. Raises LocalAccessError."""
    app = _Application(
        title="Visage",
        generate_unique_id_function=lambda route: route.name,  # what clients that are generated call it
        description=ABOUT,
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,  # their scripts come from elsewhere, which the page's policy forbids
        redoc_url=None,
    )
    context = Context(
        settings=settings,
        parts=parts,
        authenticator=Authenticator(TokenStore(settings.token_file), Sessions(), LocalAccess(parts.local_file)),
        audit=AuditLog(settings.audit_file),
        feed=EventFeed(most_listeners=settings.viewers),
        throughput=Throughput(),
    )
    app.state.context = context
    for routes in (session, sources, people, unknowns, sightings, search, events, live, system):
        app.include_router(routes.router, prefix="/api/v1", dependencies=[Depends(BEARER)])
    app.include_router(health.router)
    app.mount("/api", Router())  # what is none of these is not found, and no file of the page
    app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    app.add_exception_handler(WebError, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_bug)
    app.add_middleware(
        Guard,
        limiter=RateLimiter(settings.requests_per_second, settings.burst),
        most_bytes=settings.upload_bytes,
        allowed_hosts=settings.allowed_hosts,
        check_host=lambda: is_loopback(settings.host) and not settings.token_file.exists(),
        account=context.authenticator.account,
    )
    app.add_middleware(ProxyHeaders, trusted_proxies=settings.trusted_proxies, root_path=settings.root_path)
    return app


class _Application(FastAPI):
    """Describes uploads in the words of OpenAPI 3.0 as well, which generators of clients look for."""

    def openapi(self) -> dict[str, Any]:
        """The description at `/api/openapi.json`."""
        schema = super().openapi()
        for model in schema["components"]["schemas"].values():
            for described in model.get("properties", {}).values():
                content = described.get("items", described)
                if content.get("contentMediaType") == "application/octet-stream":
                    content["format"] = "binary"
        return schema


async def _answer_refusal(_request: Request, error: Exception) -> JSONResponse:
    status = error.status if isinstance(error, Refused | Unavailable) else 500
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, TooMany):
        headers["retry-after"] = retry_after(error)
    return JSONResponse({"error": str(error)}, status_code=status, headers=headers)


async def _answer_invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    # What was sent is not repeated: it may be an address with a password.
    return JSONResponse({"error": f"{where}: {first['msg']}" if where else first["msg"]}, status_code=422)


async def _answer_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, status_code=error.status_code, headers=error.headers)


async def _answer_bug(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed: %s", request.method, request.url.path, error, exc_info=error)
    return JSONResponse({"error": "internal error; see the daemon's log"}, status_code=500)
