"""What a face is in a table: the columns, their order and their meaning, the same in every format.

source      where the video came from; only in tables that may hold several. A byte that is no UTF-8 is spelled out
frame_num   0-based index of the frame in its source
face_num    0-based within the frame, best score first
x1 .. y2    box corners in pixels of the upright source frame
confidence  the detector's score, in [0, 1]
timestamp   seconds from the source's start
right_eye_x .. left_mouth_y
            landmarks in pixels, named from the person's view: in the picture, the right eye is on the left
track_id    the same for one face through time, from 1, unique within the source; empty without tracking
quality     how good a picture of its face this is, in [0, 1]: of an embedded face how recognisable it is, where the
            network tells; empty without tracking
propagated  1 where the face was followed here (by optical flow, or its last movement), 0 where it was detected;
            empty without tracking
sharpness, pose
            how sharp the face is, and how frontal, in [0, 1]; empty without tracking
person      who it was decided to be, "unknown" for nobody known; empty without a gallery and where nobody was asked
similarity  cosine to that person's closest picture, or to the closest there is; empty where `person` is
"""

from __future__ import annotations

from typing import Protocol

from stages.frames import Observation

__all__ = ["FACE_COLUMNS", "LANDMARK_COLUMNS", "PERSON_COLUMNS", "TRACK_COLUMNS", "Table", "spelled"]

FACE_COLUMNS = ("frame_num", "face_num", "x1", "y1", "x2", "y2", "confidence", "timestamp")

LANDMARK_COLUMNS = tuple(
    f"{point}_{axis}" for point in ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth") for axis in "xy"
)

TRACK_COLUMNS = ("track_id", "quality", "propagated", "sharpness", "pose")

PERSON_COLUMNS = ("person", "similarity")


class Table(Protocol):
    """A staged file of faces. Rows arrive in frame order within a source; sources may be interleaved."""

    def append(self, observation: Observation, source: str) -> None:
        """Add a frame's faces. Raises OutputFailed."""

    def seal(self) -> None:
        """Bring every row to disk; nothing is visible yet. Raises OutputFailed."""

    def publish(self) -> None:
        """Make the sealed table visible. Raises OutputExists, OutputFailed."""

    def discard(self) -> None:
        """Remove what is not published; safe at any time, never raises."""


def spelled(source: str) -> str:
    r"""A source's name as every reader takes it: a byte that is no UTF-8, as files' names may hold, becomes \xe9."""
    return source.encode(errors="surrogateescape").decode(errors="backslashreplace")
