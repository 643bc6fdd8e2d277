"""Health, readiness and metrics: for orchestrators and Prometheus, at their usual addresses."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from visage.web.api.callers import ERRORS, Parts, ViewerCaller

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/healthz", response_class=PlainTextResponse)
async def health() -> str:
    """The process answers. Needs no token."""
    return "ok\n"


@router.get("/readyz", responses={503: {"description": "Frames do not go through."}})
def readiness(parts: Parts) -> JSONResponse:
    """Whether frames go through. Needs no token, and so does not say why not: `GET /api/v1/status` does."""
    ready = parts.service.readiness().ready
    return JSONResponse({"ready": ready}, status_code=200 if ready else 503)


@router.get("/metrics", response_class=PlainTextResponse, responses=ERRORS)
def metrics(parts: Parts, _caller: ViewerCaller) -> Response:
    """Prometheus metrics."""
    return Response(generate_latest(parts.registry) if parts.registry else b"", media_type=CONTENT_TYPE_LATEST)
