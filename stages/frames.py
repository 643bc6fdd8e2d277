"""What travels between stages: a frame with the pixels it owns, and the faces seen in it.

Records are frozen and check their shapes once, where they are made. Pixels have one owner at a time: whoever holds a
`Frame` either passes it on or calls `Frame.release`. Coordinates are pixels of the upright source frame, x to the
right, y down, (0, 0) the outer corner of the first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Faces", "FloatArray", "Frame", "Observation", "Picture"]

FloatArray = NDArray[np.float32]

LANDMARK_COUNT = 5


class Picture(Protocol):
    """Pixels of one frame, in host or device memory, held by lease."""

    @property
    def width(self) -> int:
        """Pixels of the upright frame."""

    @property
    def height(self) -> int:
        """Pixels of the upright frame."""

    @property
    def pixel_aspect(self) -> float:
        """Width of a pixel over its height, upright."""

    def release(self) -> None:
        """Give the memory back. Safe to call twice; the pixels are not to be read afterwards."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame.

    Attributes:
        source_id: the source's name in this pipeline.
        index: 0-based number in the order the decoder delivers (presentation order), counted from the file's start.
        pts_seconds: presentation time from the source's start; for live sources, since it was opened.
        picture: the pixels, owned by whoever holds this frame.
        captured_at: wall-clock time (seconds since the epoch) at which the decoder delivered it.
    """

    source_id: str
    index: int
    pts_seconds: float
    picture: Picture = field(repr=False)
    captured_at: float = 0.0

    def release(self) -> None:
        """Give the pixels back; the rest of the record stays valid."""
        self.picture.release()


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces of one frame, N of them, best score first.

    Attributes:
        boxes_xyxy: float32 (N, 4), upright source pixels; may reach over the border where a face does.
        scores: float32 (N,), in [0, 1].
        landmarks: float32 (N, 5, 2), in the order of the picture, left to right: eye, eye, nose, mouth corner, mouth
            corner. None where the detector has none.
        embeddings: float32 (N, D), each of L2 norm 1; None until the embed stage has run.
    """

    boxes_xyxy: FloatArray
    scores: FloatArray
    landmarks: FloatArray | None = None
    embeddings: FloatArray | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        expected: list[tuple[str, FloatArray | None, tuple[int, ...]]] = [
            ("boxes_xyxy", self.boxes_xyxy, (count, 4)),
            ("scores", self.scores, (count,)),
            ("landmarks", self.landmarks, (count, LANDMARK_COUNT, 2)),
        ]
        if self.embeddings is not None:
            expected.append(("embeddings", self.embeddings, (count, *self.embeddings.shape[1:2])))
        for name, array, shape in expected:
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")

    @classmethod
    def none(cls, *, with_landmarks: bool = True) -> Faces:
        """No face at all."""
        return cls(
            boxes_xyxy=np.empty((0, 4), np.float32),
            scores=np.empty(0, np.float32),
            landmarks=np.empty((0, LANDMARK_COUNT, 2), np.float32) if with_landmarks else None,
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        parts = [f"{len(self)} faces"]
        if self.landmarks is not None:
            parts.append("landmarks")
        if self.embeddings is not None:
            parts.append(f"{self.embeddings.shape[1]}-D embeddings")
        return f"<Faces {', '.join(parts)}>"

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Faces:
        """The faces at these rows (a mask or indices), in that order."""
        return Faces(
            boxes_xyxy=self.boxes_xyxy[rows],
            scores=self.scores[rows],
            landmarks=None if self.landmarks is None else self.landmarks[rows],
            embeddings=None if self.embeddings is None else self.embeddings[rows],
        )

    def with_embeddings(self, embeddings: FloatArray) -> Faces:
        """The same faces with embeddings, float32 (N, D)."""
        return replace(self, embeddings=embeddings)


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """A frame and what the stages have found in it so far."""

    frame: Frame
    faces: Faces

    @property
    def source_id(self) -> str:
        return self.frame.source_id

    def release(self) -> None:
        """Give the frame's pixels back; the faces stay valid."""
        self.frame.release()
