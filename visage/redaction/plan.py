"""The plan of a redaction: which part of which frame is covered, and what a person has still to look at.

A track covers every frame from its first entry to its last; between two entries its sides go in a straight line. All
boxes are pixels of the upright frame. `docs/redaction-plan.schema.json` is made of these classes. What is not in
`analysed`, and every uncertain stretch that nobody has confirmed, is covered whole.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from stages.frames import FloatArray
from stages.redact.style import MARGIN, Method, Shape
from visage.redaction.errors import PlanRefused
from visage.storage.atomic_write import atomic_write

__all__ = ["FORMAT", "Change", "Plan", "Reason", "Source", "Stretch", "Style", "Track"]

FORMAT = "visage-redaction-plan"
MAX_PLAN_BYTES = 1 << 30

Frame = Annotated[int, Field(ge=0)]
Side = Annotated[float, Field(allow_inf_nan=False)]
Entry = tuple[Frame, Side, Side, Side, Side]
Reason = Literal["weak", "begins", "ends", "motion", "flicker", "damaged"]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Source(_Record):
    """The film that the plan is for: where it is, its size in bytes and pixels, and its times in seconds."""

    path: str = Field(description="Where the film is; a relative path starts at the plan's folder.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the whole file, in hexadecimal digits.")
    bytes: int = Field(ge=0, description="Size of the file.")
    width: int = Field(ge=1, description="Width of the upright picture in pixels.")
    height: int = Field(ge=1, description="Height of the upright picture in pixels.")
    rotation: Literal[0, 90, 180, 270] = Field(description="Clockwise turn that makes a coded picture upright.")
    frames: int = Field(ge=1, description="Number of frames; they count from 0.")
    clock: list[tuple[Frame, Side]] = Field(
        min_length=1, description="Frames and their seconds; between two entries time goes evenly."
    )


class Style(_Record):
    """How faces are covered; the margin at each side is a part of the box's size, 0 to 2."""

    method: Method = Field(Method.MOSAIC, description="blur, mosaic or fill.")
    shape: Shape = Field(Shape.BOX, description="box or ellipse; an ellipse goes around the box.")
    margin: float = Field(MARGIN, ge=0, le=2, description="Added at each side, as a part of the box's width or height.")


class Track(_Record):
    """One face, or whatever a person has drawn a box around."""

    id: int = Field(ge=1, description="Number of the track, unique in the plan.")
    boxes: list[Entry] = Field(min_length=1, description="Frame, left, top, right, bottom, in the order of frames.")
    keep: bool = Field(False, description="True leaves the face visible.")
    person: str | None = Field(None, description="Who it is, where the run knew.")
    origin: Literal["analysis", "reviewer"] = Field("analysis", description="Who made the track.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        frames = [entry[0] for entry in self.boxes]
        if any(later <= earlier for earlier, later in pairwise(frames)):
            raise ValueError(f"track {self.id}: frames must grow from entry to entry")
        return self

    @property
    def first(self) -> int:
        """The zero-based number of the first frame covered."""
        return self.boxes[0][0]

    @property
    def last(self) -> int:
        """The zero-based number of the last frame covered."""
        return self.boxes[-1][0]

    def box_at(self, frame: int) -> tuple[float, float, float, float] | None:
        """Return the box in a frame, pixels of the upright picture; None outside the track."""
        if not self.first <= frame <= self.last:
            return None
        after = bisect.bisect_left(self.boxes, frame, key=lambda entry: entry[0])
        _, *there = self.boxes[after]
        if self.boxes[after][0] != frame:
            begun, *here = self.boxes[after - 1]
            share = (frame - begun) / (self.boxes[after][0] - begun)
            there = [a + share * (b - a) for a, b in zip(here, there, strict=True)]
        left, top, right, bottom = there
        return left, top, right, bottom


class Stretch(_Record):
    """Frames in which a face may be where the plan covers nothing; `confirmed_by` None: nobody has looked."""

    id: int = Field(ge=1, description="Number of the stretch, unique in the plan.")
    first: Frame = Field(description="First frame.")
    last: Frame = Field(description="Last frame.")
    reasons: list[Reason] = Field(min_length=1, description="Why it is uncertain.")
    tracks: list[int] = Field(default_factory=list, description="Tracks concerned.")
    confirmed_by: Name | None = Field(None, description="Who has looked at it and found everything covered.")
    confirmed_at: str | None = Field(None, description="When, in ISO 8601.")
    picture: str | None = Field(None, description="A JPEG of a frame with the boxes drawn, as a data URI.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"uncertain stretch {self.id}: it ends before it begins")
        return self


class Change(_Record):
    """What somebody changed, with the time in ISO 8601."""

    who: Name = Field(description="Who.")
    when: str = Field(description="When, in ISO 8601.")
    what: str = Field(max_length=1000, description="What.")


class Plan(_Record):
    """A whole plan; times are seconds from the film's start, boxes pixels of the upright picture."""

    format: Literal["visage-redaction-plan"] = Field("visage-redaction-plan", description="Marks a plan.")
    version: Literal[1] = Field(1, description="Of this format.")
    source: Source = Field(description="The film.")
    made: dict[str, str] = Field(default_factory=dict, description="When, and by which versions, models and settings.")
    warnings: list[str] = Field(default_factory=list, description="What the analysis left out.")
    style: Style = Field(default_factory=Style, description="How faces are covered.")
    analysed: list[tuple[Frame, Frame]] = Field(description="First and last frames of what was looked at.")
    tracks: list[Track] = Field(description="What is covered.")
    uncertain: list[Stretch] = Field(description="What is covered whole until somebody confirms it.")
    changes: list[Change] = Field(default_factory=list, description="What people changed, in the order of time.")

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        for name, ids in (("track", [one.id for one in self.tracks]), ("stretch", [one.id for one in self.uncertain])):
            if len(ids) != len(set(ids)):
                raise ValueError(f"two {name} entries have one id")
        return self

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read a plan. Raises PlanRefused with the first mistake, OSError."""
        if path.stat().st_size > MAX_PLAN_BYTES:
            raise PlanRefused(f"{path}: too large for a plan; name a file that `visage redact plan` wrote")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            raise PlanRefused(f"{path}: not a plan of a redaction ({place or 'file'}: {message})") from error

    def write(self, path: Path) -> None:
        """Write the plan, whole or not at all, for its owner alone: there are pictures in it. Raises OSError."""
        atomic_write(path, self.model_dump_json(exclude_none=True).encode() + b"\n")

    def seconds_at(self, frame: int) -> float:
        """Return the time of a frame in seconds from the film's start."""
        frames, seconds = zip(*self.source.clock, strict=True)
        return float(np.interp(frame, frames, seconds))

    def is_covered_whole(self, frame: int) -> bool:
        """Return whether all of a frame is covered: nobody has looked at it, or nobody has confirmed it."""
        if not any(first <= frame <= last for first, last in self.analysed):
            return True
        return any(one.first <= frame <= one.last for one in self.uncertain if one.confirmed_by is None)

    def schedule(self) -> Schedule:
        """Return what to cover, for frames that are asked for in their order."""
        return Schedule(self)


class Schedule:
    """Gives each frame's boxes; takes time in proportion to the tracks in the frame, not to all."""

    def __init__(self, plan: Plan) -> None:
        self._waiting = sorted((one for one in plan.tracks if not one.keep), key=lambda one: -one.first)
        self._present: list[Track] = []
        self._whole = _united(
            [*_gaps(plan), *((one.first, one.last) for one in plan.uncertain if one.confirmed_by is None)]
        )
        self._begins = [first for first, _ in self._whole]

    def boxes_at(self, frame: int) -> FloatArray:
        """Return the boxes to cover in a frame, float32 (N, 4). No earlier frame may be asked for afterwards."""
        while self._waiting and self._waiting[-1].first <= frame:
            self._present.append(self._waiting.pop())
        self._present = [one for one in self._present if one.last >= frame]
        boxes = [one.box_at(frame) for one in self._present]
        return np.array([box for box in boxes if box is not None], np.float32).reshape(-1, 4)

    def is_whole(self, frame: int) -> bool:
        """Return whether all of the frame is covered."""
        at = bisect.bisect_right(self._begins, frame) - 1
        return at >= 0 and frame <= self._whole[at][1]


def _gaps(plan: Plan) -> Iterator[tuple[int, int]]:
    """What lies before, between and behind the analysed frames; the film may turn out longer than it was."""
    begin = 0
    for first, last in sorted(plan.analysed):
        if first > begin:
            yield begin, first - 1
        begin = max(begin, last + 1)
    yield begin, 1 << 62


def _united(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, none of which touch."""
    united: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if united and first <= united[-1][1] + 1:
            united[-1] = united[-1][0], max(united[-1][1], last)
        else:
            united.append((first, last))
    return united
