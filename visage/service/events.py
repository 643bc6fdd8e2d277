"""What happened, as JSON with a stable schema.

    {"schema": "visage.event/1", "id": "…", "type": "track_started", "time": "2026-11-24T06:00:00.000Z",
     "source": "front-door", "kind": "camera",
     "track": {"id": 3, "frame": 71, "seconds": 7.1, "box": [x1, y1, x2, y2], "score": 0.93, "quality": 0.8},
     "person": null}

- `track_started`: a face came into the picture. `track_identified`: it was decided who that is, or decided anew;
  `person` is {"id", "name", "similarity"}, with id null for an unknown. `track_ended`: it left; `track` then is {"id",
  "frame", "last_frame", "seconds", "end_seconds", "frames", "best_frame", "box", "quality"}, the box that of the best.
- `source_state`: `state` and `reason` instead of `track` and `person`; the last one of a source is `removed`.
- `time` is when the frame was captured, for a file when it was worked on. `seconds` count from the source's start.
- Events are delivered at least once. `id` is the same for a repeat, also when a file is worked on again after a crash:
  it is made from the content, the settings, the track and the type.

Keys may be added under the same schema; none changes its meaning or goes.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal, TypeAlias, get_args

from pydantic import JsonValue

from stages.frames import Identity, Observation
from stages.tracks.summary import TrackSummary
from visage.config.service import EventType

__all__ = ["EVENT_TYPES", "REMOVED", "EventFactory", "EventType", "ServiceEvent"]

SCHEMA = "visage.event/1"
REMOVED = "removed"

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
SourceKind: TypeAlias = Literal["camera", "folder", "file"]


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """One event.

    Attributes:
        at: aware, UTC.
        data: the rest of the record, by its keys.
    """

    event_id: str
    type: EventType
    at: datetime
    source_id: str
    kind: SourceKind
    data: dict[str, JsonValue] = field(default_factory=dict)

    def record(self) -> dict[str, JsonValue]:
        """Return the event as a dictionary in the schema of this module, `time` in UTC to the millisecond."""
        time = self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "schema": SCHEMA,
            "id": self.event_id,
            "type": self.type,
            "time": time,
            "source": self.source_id,
            "kind": self.kind,
            **self.data,
        }

    def to_json(self) -> str:
        """Return `record` as one line of JSON without a line break. Raises ValueError for NaN or infinity."""
        return json.dumps(self.record(), separators=(",", ":"), allow_nan=False)


class EventFactory:
    """Makes the events of one session of a source: one file's content, or one run of the daemon with a camera.

    The same session, track and turn give the same event id, so that receivers can drop repeats.
    """

    def __init__(self, source_id: str, kind: SourceKind, session: str) -> None:
        """`session` makes ids: the same session gives the same ids again."""
        self._source_id = source_id
        self._kind = kind
        self._namespace = uuid.uuid5(uuid.NAMESPACE_URL, f"visage:{session}")

    def track_started(self, observation: Observation, row: int, track_id: int) -> ServiceEvent:
        """Return the event that a track begins with the face at `row`, counted from 0, of `observation`."""
        return self._of_track("track_started", observation, row, track_id, None, 0)

    def track_identified(
        self, observation: Observation, row: int, track_id: int, identity: Identity, turn: int
    ) -> ServiceEvent:
        """Return the event that the track of the face at `row` was identified.

        Args:
            turn: how often the track was identified before, from 0; part of the event's id.
        """
        return self._of_track("track_identified", observation, row, track_id, identity, turn)

    def track_ended(self, summary: TrackSummary, at_seconds: float) -> ServiceEvent:
        """`at_seconds`: when, seconds since the epoch."""
        track: dict[str, JsonValue] = {
            "id": summary.track_id,
            "frame": summary.first_frame,
            "last_frame": summary.last_frame,
            "seconds": round(summary.start_seconds, 3),
            "end_seconds": round(summary.end_seconds, 3),
            "frames": summary.frames,
            "best_frame": summary.best_frame,
            "box": [round(float(value), 1) for value in summary.best_box_xyxy],
            "quality": round(float(summary.best_quality), 3),
        }
        data: dict[str, JsonValue] = {"track": track, "person": _person(summary.identity)}
        return self._event("track_ended", f"track_ended/{summary.track_id}", at_seconds, data)

    def source_state(self, state: str, reason: str, at_seconds: float) -> ServiceEvent:
        """Return the event that the source changed its state, at `at_seconds` since the epoch."""
        return self._event("source_state", f"source_state/{at_seconds}", at_seconds, {"state": state, "reason": reason})

    def _of_track(
        self,
        event_type: EventType,
        observation: Observation,
        row: int,
        track_id: int,
        identity: Identity | None,
        turn: int,
    ) -> ServiceEvent:
        frame, faces = observation.frame, observation.faces
        track: dict[str, JsonValue] = {
            "id": track_id,
            "frame": frame.index,
            "seconds": round(frame.pts_seconds, 3),
            "box": [round(float(value), 1) for value in faces.boxes_xyxy[row]],
            "score": round(float(faces.scores[row]), 3),
            "quality": None if faces.quality is None else round(float(faces.quality[row]), 3),
        }
        data: dict[str, JsonValue] = {"track": track, "person": _person(identity)}
        return self._event(event_type, f"{event_type}/{track_id}/{turn}", frame.captured_at, data)

    def _event(self, event_type: EventType, name: str, at_seconds: float, data: dict[str, JsonValue]) -> ServiceEvent:
        return ServiceEvent(
            event_id=str(uuid.uuid5(self._namespace, f"{self._source_id}/{name}")),
            type=event_type,
            at=datetime.fromtimestamp(at_seconds, timezone.utc),
            source_id=self._source_id,
            kind=self._kind,
            data=data,
        )


def _person(identity: Identity | None) -> dict[str, JsonValue] | None:
    if identity is None:
        return None
    return {"id": identity.person_id, "name": identity.name, "similarity": round(float(identity.similarity), 4)}
