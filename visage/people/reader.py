"""Faces of photographs, found and embedded by the same stages as those of videos, so that they can be compared.

Every face is looked at twice: where it was found, and in its own part of the picture. A detector sees a whole picture
small; where a face is small there and tilted, its landmarks lie beside eyes and mouth, and the embedding is almost that
of somebody else: docs/people.md has what the second look changes.

The networks stay loaded between pictures. They run on the processors, whatever the pipeline uses: a picture takes
milliseconds there, and a card stays the pipeline's. Calls are serialised.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from stages.errors import SourceError
from stages.frames import FloatArray, Frame
from stages.imaging.patches import PatchWindow
from stages.track.quality import quality, sharpness
from visage.assembly import ModelPlan, choose_platform
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models import Progress
from visage.people.errors import PictureRefused
from visage.people.memory_file import memory_file

__all__ = ["FaceReader", "PortraitFace", "choose_face", "crop_around"]

CROP_SIDE = 256
CROP_MARGIN = 0.4  # of the box on each side: a detector finds the face in its own crop again
CLOSER_MARGIN = 1.0
SAME_FACE = 0.4
"""Least overlap (IoU) of a face and itself seen closer."""

MIN_QUALITY = 0.08
MIN_SIDE = 24  # below it even the best embedder is wrong one time in 28: see the models' measurements


class FaceReader:
    """Use as a context manager, or close it."""

    def __init__(self, settings: Settings, *, progress: Progress | None = None) -> None:
        """Fetch and load the networks that the settings name. Raises ModelError, BackendError."""
        updates = {
            "device": "cpu",
            "backend": "auto",
            "precision": "auto",
            "track": False,
            "embed": "all",
            "frameskip": 1,
            "rotate": 0,
        }
        if settings.backend in ("openvino", "onnxruntime"):
            updates["backend"] = settings.backend
        own = settings.model_copy(update=updates)
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self._platform = choose_platform(own, ModelPlan.of(own, progress=progress))
            stack.callback(self._platform.close)
            self._detect = self._platform.detect_stage(release_pixels=False)
            stack.callback(self._detect.close)
            self._embed = self._platform.embed_stage(release_pixels=False)
            stack.callback(self._embed.close)
            self._luma = self._platform.open_patch_reader()
            stack.callback(self._luma.close)
            self._detect.open()
            self._embed.open()
            self._stack = stack.pop_all()

    def read(self, path: Path | str) -> list[PortraitFace]:
        """The faces of a photograph, largest first. Raises SourceError for what can't be read as a picture."""
        spec = SourceSpec(source_id=Path(path).stem or "picture", uri=str(path))
        with self._lock:
            image, faces = self._look(spec)
            return sorted((self._closer(image, face) for face in faces), key=lambda face: -face.side)

    def close(self) -> None:
        """Free the networks. Safe to call twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _look(self, spec: SourceSpec) -> tuple[NDArray[np.uint8], list[PortraitFace]]:
        """The picture, uint8 (H, W, 3), BGR, and its faces."""
        source = self._platform.frame_source(spec, concurrent=1)
        with contextlib.closing(source):
            source.open()
            frame = next(iter(source.frames()), None)
            if frame is None:
                return np.empty((0, 0, 3), np.uint8), []
            return self._faces(frame)

    def _faces(self, frame: Frame) -> tuple[NDArray[np.uint8], list[PortraitFace]]:
        try:
            (observation,) = self._embed.process(self._detect.process([frame]))
            image = self._platform.to_bgr(frame.picture)
            faces = observation.faces
            windows = [PatchWindow.around(box, 1.0) for box in faces.boxes_xyxy]
            (patches,) = self._luma.patches([frame.picture], [windows])
        finally:
            frame.release()
        assert faces.embeddings is not None
        landmarks = [None] * len(faces) if faces.landmarks is None else list(faces.landmarks)
        return image, [
            PortraitFace(
                box,
                float(score),
                quality(box, float(score), points, sharpness(patch)),
                embedding,
                crop_around(image, box),
            )
            for box, score, points, patch, embedding in zip(
                faces.boxes_xyxy, faces.scores, landmarks, patches, faces.embeddings, strict=True
            )
        ]

    def _closer(self, image: NDArray[np.uint8], face: PortraitFace) -> PortraitFace:
        """The face as it is seen in its own part of the picture; as it was, where there it is not found again."""
        left, top, right, bottom = _around(face.box_xyxy, CLOSER_MARGIN, image)
        if 2 * (right - left) * (bottom - top) > image.shape[0] * image.shape[1]:
            return face
        _, part = cv2.imencode(".png", image[top:bottom, left:right], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        with memory_file(part.tobytes()) as path:
            _, found = self._look(SourceSpec(source_id="part", uri=path))
        offset = np.array([left, top, left, top], np.float32)
        again = [replace(one, box_xyxy=one.box_xyxy + offset) for one in found]
        closest = max(again, key=lambda one: _overlap(one.box_xyxy, face.box_xyxy), default=face)
        if _overlap(closest.box_xyxy, face.box_xyxy) < SAME_FACE:
            return face
        return replace(closest, crop=crop_around(image, closest.box_xyxy))


@dataclass(frozen=True, slots=True, eq=False)
class PortraitFace:
    """A face of a photograph; see `stages.frames.Faces`.

    Attributes:
        box_xyxy: float32 (4,), pixels of the photograph.
        embedding: float32 (D,), L2 norm 1; zeros for a face that is not recognisable.
        crop: JPEG of the face and a little around it; empty where there is none.
    """

    box_xyxy: FloatArray
    score: float
    quality: float
    embedding: FloatArray = field(repr=False)
    crop: bytes = field(repr=False)

    @property
    def side(self) -> float:
        """Shorter side of the box, pixels."""
        return float((self.box_xyxy[2:] - self.box_xyxy[:2]).min())


def choose_face(faces: list[PortraitFace], *, number: int | None = None, largest: bool = False) -> PortraitFace:
    """The one face to take of a picture's.

    Args:
        number: which one, from 1, left to right.
        largest: take the largest of several, instead of refusing them.

    Raises PictureRefused: there is none, there are several to choose from, or it is too small or too poor.
    """
    if not faces:
        raise PictureRefused(
            f"no face found; choose a picture that shows one upright and at least {MIN_SIDE} pixels large"
        )
    if number is not None:
        if not 1 <= number <= len(faces):
            raise PictureRefused(f"there is no face {number}: {len(faces)} found, counted from left to right")
        face = sorted(faces, key=lambda face: float(face.box_xyxy[0]))[number - 1]
    elif len(faces) > 1 and not largest:
        raise PictureRefused(
            f"{len(faces)} faces found; say which one, counted from left to right (--face 2), or take --largest"
        )
    else:
        face = faces[0]
    if face.side < MIN_SIDE:
        raise PictureRefused(f"the face is only {face.side:.0f} pixels large; at least {MIN_SIDE} are needed")
    if not face.embedding.any():
        raise PictureRefused(
            "the face is not recognisable: it is turned, covered or blurred; turn the picture upright or choose another"
        )
    if face.quality < MIN_QUALITY:
        raise PictureRefused(
            f"the face is too poor to recognise anybody by (quality {face.quality:.2f}, at least {MIN_QUALITY}); "
            "choose a sharper one that looks at the camera"
        )
    return face


def crop_around(image: NDArray[np.uint8], box_xyxy: FloatArray) -> bytes:
    """JPEG of the box and a margin, at most `CROP_SIDE` pixels large.

    Args:
        image: uint8 (H, W, 3), BGR.
        box_xyxy: float32 (4,), pixels of the image.

    Raises SourceError: the box lies outside the image.
    """
    x0, y0, x1, y1 = _around(box_xyxy, CROP_MARGIN, image)
    if x1 <= x0 or y1 <= y0:
        raise SourceError("the face lies outside the picture")
    region = image[y0:y1, x0:x1]
    scale = CROP_SIDE / max(region.shape[:2])
    if scale < 1:
        region = np.asarray(cv2.resize(region, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(".jpg", region, [cv2.IMWRITE_JPEG_QUALITY, 88])
    return data.tobytes()


def _around(box_xyxy: FloatArray, margin: float, image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """The box and so much of its longer side around it, within the picture."""
    left, top, right, bottom = (float(side) for side in box_xyxy)
    wide = margin * max(right - left, bottom - top)
    x0, y0 = max(0, round(left - wide)), max(0, round(top - wide))
    return x0, y0, min(image.shape[1], round(right + wide)), min(image.shape[0], round(bottom + wide))


def _overlap(one: FloatArray, other: FloatArray) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / max(float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared, 1e-6)
