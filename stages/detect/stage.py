"""Frames in, observations out: letterbox, network, head.

A batch may mix sources and sizes. Frames whose input has the same shape share a call; the shape depends on the frame
alone, so a frame's faces do not depend on its neighbours.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np

from stages.backends.base import Backend
from stages.buffers import DeviceSession
from stages.detect.heads.base import Head
from stages.detect.still_turns import StillTurns
from stages.frames import Faces, Frame, Observation
from stages.imaging.base import Imaging
from stages.imaging.letterbox import DetectorInput

__all__ = ["DetectStage"]

TensorT = TypeVar("TensorT")


class DetectStage(Generic[TensorT]):
    """Finds the faces of frames. Its session owns the backend and its other parts."""

    name = "detect"

    def __init__(
        self,
        *,
        detector_input: DetectorInput,
        imaging: Imaging[TensorT],
        backend: Backend[TensorT],
        head: Head[TensorT],
        still_turns: StillTurns[TensorT] | None = None,
        min_face_pixels: int = 0,
        release_pixels: bool = False,
        session: DeviceSession | None = None,
    ) -> None:
        """
        Args:
            still_turns: looks at stills in four turns; None takes them as they are.
            min_face_pixels: faces whose box is narrower or lower than this many source pixels are dropped.
            release_pixels: this is the last stage that needs them. False leaves that to whoever comes next.
            session: the stage's stream and parts, the host's by default; it owns the backend from now on.
        """
        # A source's frames are all placed alike.
        self._shape = functools.lru_cache(maxsize=256)(detector_input.shape)
        self._fit = functools.lru_cache(maxsize=256)(detector_input.fit)
        self._imaging = imaging
        self._backend = backend
        self._head = head
        self._still_turns = still_turns
        self._min_face_pixels = min_face_pixels
        self._release_pixels = release_pixels
        session = session or DeviceSession()
        session.own(backend)
        self._stream = session.stream
        self.open, self.close = session.open, session.close

    def process(self, batch: Sequence[Frame]) -> list[Observation]:
        """Detect in every frame; returns one observation for each, in order.

        Releases the pixels if the stage was made with `release_pixels`; otherwise the observation owns them. Raises
        BackendError.
        """
        faces: dict[int, Faces] = {}
        for shape, rows in self._rows_by_shape(batch).items():
            for start in range(0, len(rows), self._backend.max_batch):
                chunk = rows[start : start + self._backend.max_batch]
                found = self._detect([batch[row] for row in chunk], shape)
                faces.update(zip(chunk, found, strict=True))
        if self._release_pixels:
            for frame in batch:
                frame.release()
        return [Observation(frame, faces[row]) for row, frame in enumerate(batch)]

    def end_source(self, source_id: str) -> None:
        """Do nothing: no state is kept for a source."""

    def _rows_by_shape(self, batch: Sequence[Frame]) -> dict[tuple[int, int], list[int]]:
        rows: dict[tuple[int, int], list[int]] = {}
        for row, frame in enumerate(batch):
            picture = frame.picture
            shape = self._shape(picture.width, picture.height, picture.pixel_aspect)
            rows.setdefault(shape, []).append(row)
        return rows

    def _detect(self, frames: Sequence[Frame], shape: tuple[int, int]) -> list[Faces]:
        pictures = [frame.picture for frame in frames]
        tensor = self._imaging.letterbox(pictures, stream=self._stream)
        outputs = self._backend.infer(tensor, stream=self._stream)
        letterboxes = [self._fit(p.width, p.height, p.pixel_aspect) for p in pictures]
        faces = self._head.decode(outputs, letterboxes, shape, stream=self._stream)
        turns = self._still_turns
        if turns is not None:
            faces = [
                turns.surest(frame.picture, own) if frame.is_still else own
                for frame, own in zip(frames, faces, strict=True)
            ]
        return [self._large_enough(f) for f in faces] if self._min_face_pixels else faces

    def _large_enough(self, faces: Faces) -> Faces:
        sides = faces.boxes_xyxy[:, 2:] - faces.boxes_xyxy[:, :2]
        return faces.select(np.flatnonzero(sides.min(axis=1, initial=np.inf) >= self._min_face_pixels))
