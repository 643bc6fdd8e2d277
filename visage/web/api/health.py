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
    """Answer 200 as long as the process responds. Needs no token."""
    return "ok\n"


@router.get("/readyz", responses={503: {"description": "Frames are not getting through."}})
def readiness(parts: Parts) -> JSONResponse:
    """Answer 200 if frames get through, otherwise 503. Needs no token; `GET /api/v1/status` tells the reason."""
    ready = parts.service.readiness().ready
    return JSONResponse({"ready": ready}, status_code=200 if ready else 503)


@router.get("/metrics", response_class=PlainTextResponse, responses=ERRORS)
def metrics(parts: Parts, _caller: ViewerCaller) -> Response:
    """Return the metrics in Prometheus' text format; empty if the daemon has no registry."""
    return Response(generate_latest(parts.registry) if parts.registry else b"", media_type=CONTENT_TYPE_LATEST)
