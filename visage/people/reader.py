"""Faces in photographs, found and embedded by the same stages as those in videos, so that they can be compared.

Every face is embedded together with its mirror image, and a photograph that lies on its side is turned. The second
look at small and tilted faces (see `stages.embed.second_look`) is the one that films get.

The networks stay loaded between pictures. They run on the processors, whatever the pipeline uses: a picture takes
milliseconds there, and a card stays the pipeline's. Calls are serialised.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from stages.closing import Closing
from stages.decode.photograph_format import file_format
from stages.errors import NotAVideo, SourceError
from stages.frames import FloatArray, Frame
from stages.imaging.host.admission import HostAdmission
from stages.imaging.orientation import Orientation
from stages.imaging.patches import PatchWindow
from stages.track.quality import pose, quality, sharpness
from visage.assembly import ModelPlan, choose_platform
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models import Progress
from visage.people.errors import PictureRefused
from visage.people.picture_process import PictureProcess

__all__ = ["FaceReader", "PortraitFace", "choose_face", "crop_around"]

CROP_SIDE = 256
CROP_MARGIN = 0.4  # of the box on each side: a detector finds the face in its own crop again

SURE_SCORE = 0.92
"""Of an upright face: in twelve photographs YuNet gave 0.93 to 0.95, after a quarter or half turn 0.62 to 0.90."""
TURNED_SCORE = 0.8
TURNED_MARGIN = 0.03
"""By which a turned picture's score has to exceed that of the picture as it is."""

SMALL_SIDE = 40
BLURRED = 0.2
TURNED = 0.35
"""What most likely ails a face that is not recognisable, by side in pixels, sharpness and pose."""

MIN_QUALITY = 0.08
MIN_SIDE = 24  # below it even the best embedder is wrong one time in 28: see the models' measurements


class FaceReader(Closing):
    """Reads faces from photographs. Owns its networks: use as a context manager, or close it."""

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
            plan = ModelPlan.of(own, progress=progress)
            self._platform = choose_platform(own, plan)
            stack.callback(self._platform.close)
            self._pictures = stack.enter_context(PictureProcess())
            self._admission = HostAdmission(plan.detector_input, capacity=1)
            stack.callback(self._admission.close)
            self._detect = self._platform.detect_stage(release_pixels=False)
            stack.callback(self._detect.close)
            self._embed = self._platform.embed_stage(release_pixels=False, averages_mirrored=True)
            stack.callback(self._embed.close)
            self._luma = self._platform.open_patch_reader()
            stack.callback(self._luma.close)
            self._detect.open()
            self._embed.open()
            self._stack = stack.pop_all()

    def read(self, source: Path | str | bytes) -> list[PortraitFace]:
        """The faces of a photograph, largest first. Raises SourceError for what can't be read as a picture.

        Args:
            source: a path; or a file's content, as callers send it. That is read within limits of memory and time, and
                scaled down where it is large: boxes are then pixels of the smaller picture.
        """
        with self._lock:  # pictures that wait for their turn are not yet unfolded
            image = self._pictures.read(source) if isinstance(source, bytes) else self._image(source)
            image, faces = self._upright(image)
            return sorted(faces, key=lambda face: -face.side)

    def close(self) -> None:
        """Close the networks. Idempotent."""
        self._stack.close()

    def _image(self, path: Path | str) -> NDArray[np.uint8]:
        """The picture of a file, uint8 (H, W, 3), BGR."""
        if file_format(path) is not None:
            from stages.decode.photograph import Photograph  # noqa: PLC0415 - Pillow, which films do without

            with Photograph(path) as photograph:
                return next(photograph.frames())[0]
        # FFmpeg knows formats that are rarely of photographs, and says what is wrong with the rest.
        source = self._platform.frame_source(SourceSpec(source_id="picture", uri=str(path)), concurrent=1)
        with contextlib.closing(source):
            source.open()
            for frame in source.frames():
                try:
                    return self._platform.to_bgr(frame.picture)
                finally:
                    frame.release()
        raise NotAVideo(f"{path} holds no picture")

    def _upright(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], list[PortraitFace]]:
        """The picture, turned by quarters until its faces are upright, and its faces.

        Detectors find sideways faces too, less surely; their embeddings are those of nobody.
        """
        faces = self._look(image)
        best = _surest(faces)
        if best >= SURE_SCORE:
            return image, faces
        upright, least = image, max(best + TURNED_MARGIN, TURNED_SCORE)
        for quarter_turns in (1, 3, 2):
            turned = np.asarray(np.rot90(image, quarter_turns))  # a view
            found = self._look(turned)
            if _surest(found) >= least:
                upright, faces, least = turned, found, _surest(found)
        return upright, faces

    def _look(self, image: NDArray[np.uint8]) -> list[PortraitFace]:
        """The faces of a picture, uint8 (H, W, 3), BGR."""
        pixels = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        picture = self._admission.admit(pixels, Orientation())
        assert picture is not None  # it waits for one
        frame = Frame("picture", 0, 0.0, picture)
        try:
            (observation,) = self._embed.process(self._detect.process([frame]))
            faces = observation.faces
            windows = [PatchWindow.around(box, 1.0) for box in faces.boxes_xyxy]
            (patches,) = self._luma.patches([frame.picture], [windows])
        finally:
            frame.release()
        assert faces.embeddings is not None
        landmarks = [None] * len(faces) if faces.landmarks is None else list(faces.landmarks)
        sharp = [sharpness(patch) for patch in patches]
        seen = [
            quality(box, float(score), points, clear)
            for box, score, points, clear in zip(faces.boxes_xyxy, faces.scores, landmarks, sharp, strict=True)
        ]
        return [
            PortraitFace(
                box,
                float(faces.scores[row]),
                seen[row] if faces.quality is None else float(faces.quality[row]),
                faces.embeddings[row],
                crop_around(image, box),
                sharp[row],
                1.0 if (points := landmarks[row]) is None else pose(points),
            )
            for row, box in enumerate(faces.boxes_xyxy)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class PortraitFace:
    """A face of a photograph; see `stages.frames.Faces`.

    Attributes:
        box_xyxy: float32 (4,), pixels of the photograph; of the turned one, where it lay on its side.
        quality: how recognisable it is, or else how well it is seen; see `stages.frames.Faces`.
        embedding: float32 (D,), L2 norm 1; zeros for a face that is not recognisable.
        crop: JPEG of the face and a little around it; empty where there is none.
        sharpness, pose: in [0, 1], see `stages.track.quality`.
    """

    box_xyxy: FloatArray
    score: float
    quality: float
    embedding: FloatArray = field(repr=False)
    crop: bytes = field(repr=False)
    sharpness: float = 1.0
    pose: float = 1.0

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
            f"{len(faces)} faces found; choose one, counted from left to right (--face 2), or use --largest"
        )
    else:
        face = faces[0]
    if face.side < MIN_SIDE:
        raise PictureRefused(f"the face is only {face.side:.0f} pixels large; at least {MIN_SIDE} are needed")
    if not face.embedding.any():
        raise PictureRefused(f"the face is not recognisable: {_what_ails(face)}")
    if face.quality < MIN_QUALITY:
        raise PictureRefused(
            f"the face is too poor for recognition (quality {face.quality:.2f}, at least {MIN_QUALITY}): "
            f"{_what_ails(face)}"
        )
    return face


def _what_ails(face: PortraitFace) -> str:
    """Why it is not recognised, as far as can be told, and what to do."""
    if face.side < SMALL_SIDE:
        return f"it is only {face.side:.0f} pixels large; choose a larger picture"
    if face.sharpness < BLURRED:
        return "it is blurred; choose a sharper picture"
    if face.pose < TURNED:
        return "it is turned away; choose one that looks at the camera"
    return "it may be covered, lit badly or upside down; turn the picture upright or choose another"


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


def _surest(faces: list[PortraitFace]) -> float:
    """The highest score; 0.0 without faces."""
    return max((face.score for face in faces), default=0.0)


def _around(box_xyxy: FloatArray, margin: float, image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """The box and so much of its longer side around it, within the picture."""
    left, top, right, bottom = (float(side) for side in box_xyxy)
    wide = margin * max(right - left, bottom - top)
    x0, y0 = max(0, round(left - wide)), max(0, round(top - wide))
    return x0, y0, min(image.shape[1], round(right + wide)), min(image.shape[0], round(bottom + wide))
