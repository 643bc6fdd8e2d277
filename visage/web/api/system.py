"""The daemon itself: its state, throughput, configuration and audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from visage import __version__
from visage.web.api.callers import ERRORS, Parts, ViewerCaller
from visage.web.auth import Principal, allow
from visage.web.history import SAMPLE_SECONDS
from visage.web.records import ErrorRecord
from visage.web.tokens import Role

__all__ = ["router"]

router = APIRouter(tags=["system"], responses=ERRORS)


class StatusRecord(BaseModel):
    """The daemon's state; `reason` is empty if it is ready."""

    version: str = Field(examples=["0.1.0"])
    ready: bool
    reason: str = Field(examples=["the detector is being built"])
    has_gallery: bool


class ThroughputRecord(BaseModel):
    """Frames a second of each source over the last minutes, oldest first."""

    interval_seconds: float
    fps: dict[str, list[float]] = Field(examples=[{"door": [9.8, 10.0, 10.1]}])


@router.get("/status")
def status(parts: Parts, _caller: ViewerCaller) -> StatusRecord:
    """Return whether frames get through, and if not, the reason. Always 200."""
    readiness = parts.service.readiness()
    return StatusRecord(
        version=__version__, ready=readiness.ready, reason=readiness.reason, has_gallery=parts.has_gallery
    )


@router.get("/throughput")
def throughput(parts: Parts, _caller: ViewerCaller) -> ThroughputRecord:
    """Return the frames per second of every source over the last minutes, oldest first.

    There is one value for each `interval_seconds`.
    """
    return ThroughputRecord(interval_seconds=SAMPLE_SECONDS, fps=parts.throughput.series())


@router.post("/reload", status_code=204, responses={409: {"model": ErrorRecord, "description": "It is wrong."}})
def reload_configuration(
    parts: Parts, _caller: Annotated[Principal, Depends(allow(Role.ADMIN, audit="reload"), scope="function")]
) -> None:
    """Read the configuration again and apply it without interrupting sources that did not change.

    409 if it is invalid or changes a section that needs a restart; then nothing changes.
    """
    parts.service.reload()


@router.get("/audit")
def audit_log(
    parts: Parts,
    _caller: Annotated[Principal, Depends(allow(Role.ADMIN, audit="audit.read"), scope="function")],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[dict[str, str]]:
    """Return the last entries of the audit log, newest first; `limit` is 1 to 1000."""
    return parts.audit.latest(limit)
