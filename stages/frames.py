"""What travels between stages: a frame with the pixels it owns, and the faces seen in it.

Records are frozen and check their shapes once, where they are made. Pixels have one owner at a time: whoever holds a
`Frame` either passes it on or calls `Frame.release`. Coordinates are pixels of the upright source frame, x to the
right, y down, (0, 0) the outer corner of the first pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FACE_ARRAYS", "Faces", "FloatArray", "Frame", "Identity", "Observation", "Picture"]

FloatArray = NDArray[np.float32]

LANDMARK_COUNT = 5


class Picture(Protocol):
    """The pixels of one frame, in host or device memory, held by a lease that `release` gives back."""

    @property
    def width(self) -> int:
        """Width of the upright frame in pixels."""

    @property
    def height(self) -> int:
        """Height of the upright frame in pixels."""

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
        detect: the detector is to see it. The others are there to follow faces through.
        connection: grows where the source was lost and found again: nothing is followed from one to the next.
        is_still: the only picture of its source.
    """

    source_id: str
    index: int
    pts_seconds: float
    picture: Picture = field(repr=False)
    captured_at: float = 0.0
    detect: bool = True
    connection: int = 0
    is_still: bool = False

    def release(self) -> None:
        """Give the pixels back; the rest of the record stays valid."""
        self.picture.release()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a face, or a track, was decided to be.

    Attributes:
        person_id: of the gallery; None for a person whom the gallery does not know.
        name: the person's, or what an unknown is called, for example "Unknown 17".
        similarity: cosine similarity to the person's closest picture, in [-1, 1].
        decided_at_seconds: the source's time at which this was first decided.
    """

    person_id: str | None
    name: str
    similarity: float
    decided_at_seconds: float


_REST = "shape after the number of faces"
"""Key of a field's metadata; an embedding's length depends on the network."""


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces of one frame, N of them, best score first.

    Attributes:
        boxes_xyxy: float32 (N, 4), upright source pixels; may reach over the border where a face does.
        scores: float32 (N,), in [0, 1].
        landmarks: float32 (N, 5, 2), in the order of the picture, left to right: eye, eye, nose, mouth corner, mouth
            corner. None where the detector has none.
        embeddings: float32 (N, D), each of L2 norm 1; all zero for a face that was not embedded (`--embed best`). None
            until the embed stage has run.
        track_ids: int64 (N,), unique within the source, from 1; 0 for a face of no track. None without tracking.
        quality: float32 (N,), how good a picture of its face this is, in [0, 1]: of an embedded face how recognisable
            it is, where the network tells (`stages.embed.recognisability`); else by its size, sharpness, pose and
            score (`stages.track.quality`). None where neither is known.
        propagated: bool (N,), followed here (by optical flow, or its last movement) instead of detected. None without
            tracking.
        to_embed: bool (N,), worth an embedding: a best shot with `--embed best`, otherwise a face that was detected
            with at least the score threshold. None: every face that was detected is.
        sharpness, pose: float32 (N,), in [0, 1], see `stages.track.quality`: of a followed face the sharpness is that
            of the last detection. None without tracking.
        identities: who each face is, None for one that has not been compared. None without identification.
    """

    boxes_xyxy: FloatArray = field(metadata={_REST: (4,)})
    scores: FloatArray = field(metadata={_REST: ()})
    landmarks: FloatArray | None = field(default=None, metadata={_REST: (LANDMARK_COUNT, 2)})
    embeddings: FloatArray | None = None
    track_ids: NDArray[np.int64] | None = field(default=None, metadata={_REST: ()})
    quality: FloatArray | None = field(default=None, metadata={_REST: ()})
    propagated: NDArray[np.bool_] | None = field(default=None, metadata={_REST: ()})
    to_embed: NDArray[np.bool_] | None = field(default=None, metadata={_REST: ()})
    sharpness: FloatArray | None = field(default=None, metadata={_REST: ()})
    pose: FloatArray | None = field(default=None, metadata={_REST: ()})
    identities: tuple[Identity | None, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        for name, rest in _SHAPES:
            array = getattr(self, name)
            if array is not None and array.shape != (count, *rest):
                raise ValueError(f"{name} has shape {array.shape}, expected {(count, *rest)}")
        embeddings, identities = self.embeddings, self.identities
        if embeddings is not None and embeddings.shape != (count, *embeddings.shape[1:2]):
            raise ValueError(f"embeddings have shape {embeddings.shape}, expected {(count, *embeddings.shape[1:2])}")
        if identities is not None and len(identities) != count:
            raise ValueError(f"there are {len(identities)} identities, expected {count}")

    @classmethod
    def none(cls, *, with_landmarks: bool = True) -> Faces:
        """Return an empty set of faces: boxes_xyxy float32 (0, 4)."""
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
        """Return the faces at these rows, bool (N,) or int (K,), in that order."""
        arrays: list[Any] = [None if array is None else array[rows] for array in _arrays(self)]
        identities = self.identities
        if identities is not None:
            identities = tuple(identities[row] for row in np.arange(len(self))[rows])
        values: list[Any] = [*arrays, identities]
        return Faces(*values)

    @property
    def worth_embedding(self) -> NDArray[np.intp]:
        """Return the rows to be embedded, intp (K,): those the tracker chose, or every face that was detected here."""
        if self.to_embed is not None:
            return np.flatnonzero(self.to_embed)
        return np.arange(len(self)) if self.propagated is None else np.flatnonzero(~self.propagated)

    def with_embeddings(self, embeddings: FloatArray) -> Faces:
        """The same faces with embeddings, float32 (N, D)."""
        arrays: list[Any] = list(_arrays(self))  # `dataclasses.replace` takes four times as long, for every frame
        arrays[_EMBEDDINGS] = embeddings
        return Faces(*[*arrays, self.identities])


FACE_ARRAYS = tuple(item.name for item in fields(Faces) if item.name != "identities")
"""The fields of `Faces` that are arrays with a row a face, in the order of its constructor."""

_arrays: Callable[[Faces], tuple[NDArray[Any] | None, ...]] = attrgetter(*FACE_ARRAYS)
_EMBEDDINGS = FACE_ARRAYS.index("embeddings")
_SHAPES = tuple((item.name, item.metadata[_REST]) for item in fields(Faces) if _REST in item.metadata)


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """A frame and what the stages have found in it so far.

    Attributes:
        frame: whose pixels the observation's holder owns.
        faces: in its pixels; best score first.
        ended_tracks: ids of the tracks of this source that ended before this frame; the rest end with the source.
        detected: the detector has seen the frame; otherwise its faces were followed here.
    """

    frame: Frame
    faces: Faces
    ended_tracks: tuple[int, ...] = ()
    detected: bool = True

    @property
    def source_id(self) -> str:
        """The id of the frame's source."""
        return self.frame.source_id

    def with_faces(self, faces: Faces) -> Observation:
        """Return the same frame with other faces, or with more known about them.

        The frame is shared, so only one is released.
        """
        return Observation(self.frame, faces, self.ended_tracks, self.detected)

    def release(self) -> None:
        """Give the frame's pixels back; the faces stay valid."""
        self.frame.release()
