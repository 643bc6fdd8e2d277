"""What the API answers, as JSON: one model a resource, with examples for its documentation."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from visage.web.ports import Match, PersonView, SightingView, SourceStatus, Unknown

__all__ = [
    "ErrorRecord",
    "MatchRecord",
    "PersonRecord",
    "SessionRecord",
    "SightingRecord",
    "SourceRecord",
    "UnknownRecord",
]


class ErrorRecord(BaseModel):
    """Every answer that is no success."""

    error: str = Field(examples=["there is no source 'dor'"])


class SessionRecord(BaseModel):
    """Who the caller is."""

    name: str = Field(examples=["kitchen-tablet"])
    role: str = Field(examples=["viewer"])


class SourceRecord(BaseModel):
    """A source at one moment; addresses come without credentials."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **{"source_id": "door", "kind": "camera", "state": "reconnecting", "reason": "no answer for 5 s"},
                **{"address": "rtsp://***@192.168.1.20/main", "fps": 0.0, "frames": 18231, "dropped": 12},
                **{"faces": 641, "reconnects": 2, "latency_seconds": 0.21},
            }
        }
    )

    source_id: str
    kind: str
    state: str
    reason: str
    address: str
    fps: float
    frames: int
    dropped: int
    faces: int
    reconnects: int
    latency_seconds: float | None

    @classmethod
    def of(cls, source: SourceStatus) -> SourceRecord:
        return cls(**asdict(source))


class PersonRecord(BaseModel):
    """Somebody with a name."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **{"person_id": "p7", "name": "Ada", "pictures": 3, "sightings": 118},
                **{"last_seen": "2026-05-04T09:12:44Z", "has_portrait": True},
            }
        }
    )

    person_id: str
    name: str
    pictures: int
    sightings: int
    last_seen: datetime | None
    has_portrait: bool

    @classmethod
    def of(cls, person: PersonView) -> PersonRecord:
        return cls(**asdict(person))


class UnknownRecord(BaseModel):
    """Somebody seen often enough to be worth a name."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **{"unknown_id": "u17", "label": "Unknown 17", "sightings": 9, "sources": ["door", "yard"]},
                **{"first_seen": "2026-05-02T18:00:01Z", "last_seen": "2026-05-04T09:12:44Z", "has_portrait": False},
            }
        }
    )

    unknown_id: str
    label: str
    sightings: int
    first_seen: datetime | None
    last_seen: datetime | None
    sources: tuple[str, ...]
    has_portrait: bool

    @classmethod
    def of(cls, unknown: Unknown) -> UnknownRecord:
        return cls(**asdict(unknown))


class SightingRecord(BaseModel):
    """One track of somebody."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **{"sighting_id": "s91", "source_id": "door", "name": "Ada", "person_id": "p7", "unknown_id": None},
                **{"started_at": "2026-05-04T09:12:40Z", "ended_at": "2026-05-04T09:12:44Z", "quality": 0.83},
                **{"start_seconds": 312.2, "end_seconds": 316.4},
            }
        }
    )

    sighting_id: str
    source_id: str
    started_at: datetime
    ended_at: datetime
    name: str
    person_id: str | None
    unknown_id: str | None
    quality: float
    start_seconds: float
    end_seconds: float

    @classmethod
    def of(cls, sighting: SightingView) -> SightingRecord:
        return cls(**asdict(sighting))


class MatchRecord(BaseModel):
    """A sighting found by a picture."""

    sighting: SightingRecord
    similarity: float = Field(description="Cosine similarity, in [-1, 1].", examples=[0.71])

    @classmethod
    def of(cls, match: Match) -> MatchRecord:
        return cls(sighting=SightingRecord.of(match.sighting), similarity=match.similarity)
