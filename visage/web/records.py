"""The API's JSON: one record for each kind of resource, with examples for its documentation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    """The body of every response that is not a success: one line for a person."""

    error: str = Field(examples=["there is no source 'dor'"])


class SessionRecord(BaseModel):
    """The caller's name and role."""

    name: str = Field(examples=["kitchen-tablet"])
    role: str = Field(examples=["viewer"])


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source at one moment.

    Attributes:
        state: for example "running", "reconnecting", "paused", "failed", "waiting", "done".
        reason: one line that explains the state, without credentials; empty where there is nothing to say.
        address: what it reads, without credentials.
        fps: frames analysed per second, over the last few seconds.
        frames, dropped, faces: counted since the daemon started.
        reconnects: how often it had to be opened again.
        latency_seconds: from a frame's capture to its results, for the last frames; None where unknown.
    """

    __pydantic_config__ = ConfigDict(
        json_schema_serialization_defaults_required=True,
        json_schema_extra={
            "description": "A source at one moment; addresses come without credentials.",
            "example": {
                **{"source_id": "door", "kind": "camera", "state": "reconnecting", "reason": "no answer for 5 s"},
                **{"address": "rtsp://***@192.168.1.20/main", "fps": 0.0, "frames": 18231, "dropped": 12},
                **{"faces": 641, "reconnects": 2, "latency_seconds": 0.21},
            },
        },
    )

    source_id: str
    kind: Literal["camera", "folder", "file"]
    state: str
    reason: str = ""
    address: str = ""
    fps: float = 0.0
    frames: int = 0
    dropped: int = 0
    faces: int = 0
    reconnects: int = 0
    latency_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person with a name. Times are in UTC; `last_seen` is null if the person was never seen."""

    __pydantic_config__ = ConfigDict(
        json_schema_serialization_defaults_required=True,
        json_schema_extra={
            "example": {
                **{"person_id": "p7", "name": "Ada", "pictures": 3, "sightings": 118},
                **{"last_seen": "2026-05-04T09:12:44Z", "has_portrait": True},
            }
        },
    )

    person_id: str
    name: str
    pictures: int = 0
    sightings: int = 0
    last_seen: datetime | None = None
    has_portrait: bool = False


@dataclass(frozen=True, slots=True)
class UnknownRecord:
    """A person without a name, seen often enough to be worth one. Times are in UTC."""

    __pydantic_config__ = ConfigDict(
        json_schema_serialization_defaults_required=True,
        json_schema_extra={
            "example": {
                **{"unknown_id": "u17", "label": "Unknown 17", "sightings": 9, "sources": ["door", "yard"]},
                **{"first_seen": "2026-05-02T18:00:01Z", "last_seen": "2026-05-04T09:12:44Z", "has_portrait": False},
            }
        },
    )

    unknown_id: str
    label: str
    sightings: int
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    sources: tuple[str, ...] = ()
    has_portrait: bool = False


@dataclass(frozen=True, slots=True)
class SightingRecord:
    """One track of a person or an unknown. Times are in UTC, positions in seconds of the source."""

    __pydantic_config__ = ConfigDict(
        json_schema_serialization_defaults_required=True,
        json_schema_extra={
            "example": {
                **{"sighting_id": "s91", "source_id": "door", "name": "Ada", "person_id": "p7", "unknown_id": None},
                **{"started_at": "2026-05-04T09:12:40Z", "ended_at": "2026-05-04T09:12:44Z", "quality": 0.83},
                **{"start_seconds": 312.2, "end_seconds": 316.4, "time_origin": "capture"},
            }
        },
    )

    sighting_id: str
    source_id: str
    started_at: datetime
    ended_at: datetime
    name: str
    person_id: str | None = None
    unknown_id: str | None = None
    quality: float = 0.0
    start_seconds: float = 0.0
    end_seconds: float = 0.0
    time_origin: str = "capture"


@dataclass(frozen=True, slots=True)
class MatchRecord:
    """A sighting found by a picture, with the cosine similarity of the two faces, -1 to 1."""

    sighting: SightingRecord
    similarity: Annotated[float, Field(description="Cosine similarity, in [-1, 1].", examples=[0.71])]
