"""Runs clips through the pipeline's own stages on this thread, and counts the processor's seconds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces, FloatArray, Frame, Observation
from stages.imaging.host.admission import HostAdmission
from stages.imaging.orientation import Orientation
from stages.tracks.log import TrackLog
from stages.tracks.summary import TrackSummary
from visage.assembly.host import HostPlatform
from visage.assembly.plan import ModelPlan
from visage.assembly.stages import delivers_all, detecting_stage, detection_interval, embedding_stage
from visage.config import Settings

__all__ = ["Rig", "Run", "to_video"]


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one clip.

    Attributes:
        faces: of every frame; None for frames without a row.
        looks: frames that the detector saw.
        embedded: faces that were embedded.
        seconds: of CPU, in admission, detection, tracking and embedding; decoding is not there.
    """

    faces: list[Faces | None]
    looks: int
    embedded: int
    seconds: float
    tracks: list[TrackSummary]


class Rig:
    """One way of running, with its networks loaded and warm."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        plan = ModelPlan.of(settings)
        self._input = plan.detector_input
        self._platform = HostPlatform(settings, plan)
        self._detect = detecting_stage(settings, self._platform, release_pixels=not settings.embed)
        self._embed = embedding_stage(settings, self._platform, None, release_pixels=True) if settings.embed else None
        self._detect.open()
        if self._embed is not None:
            self._embed.open()
        self._clips = 0

    def detect(self, image: NDArray[np.uint8]) -> Faces:
        """The faces of one picture, uint8 (H, W, 3), BGR."""
        return next(faces for faces in self.run(to_video([image])).faces if faces is not None)

    def run(self, video: Sequence[av.VideoFrame], *, fps: float = 25) -> Run:
        """A clip, as decoded frames."""
        self._clips += 1
        source = f"clip {self._clips}"
        admission = HostAdmission(self._input, capacity=64)
        faces: list[Faces | None] = [None] * len(video)
        log, tracks = TrackLog(), list[TrackSummary]()
        looks = embedded = 0
        started = time.process_time()
        for batch in _batches(self._frames(source, video, admission, fps), self._platform.detect_batch):
            observations: Sequence[Observation] = self._detect.process(batch)
            if self._embed is not None:
                observations = self._embed.process(observations)
            for item in observations:
                faces[item.frame.index] = item.faces
                tracks += log.add(item)
                looks += item.detected
                embedded += _embedded(item.faces.embeddings)
        self._detect.end_source(source)
        seconds = time.process_time() - started
        admission.close()
        return Run(faces, looks, embedded, seconds, tracks + log.close())

    def close(self) -> None:
        self._detect.close()
        if self._embed is not None:
            self._embed.close()
        self._platform.close()

    def _frames(
        self, source: str, video: Sequence[av.VideoFrame], admission: HostAdmission, fps: float
    ) -> Iterable[Frame]:
        for index, frame in enumerate(video):
            detect = index % detection_interval(self._settings) == 0
            if detect or delivers_all(self._settings):
                picture = admission.admit(frame, Orientation(), detect=detect)
                assert picture is not None
                yield Frame(source, index, index / fps, picture, detect=detect)


def to_video(images: Iterable[NDArray[np.uint8]]) -> list[av.VideoFrame]:
    """Pictures as a decoder delivers them: YUV 4:2:0."""
    return [av.VideoFrame.from_ndarray(image, "bgr24").reformat(format="yuv420p") for image in images]


def _batches(frames: Iterable[Frame], size: int) -> Iterable[list[Frame]]:
    batch: list[Frame] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _embedded(embeddings: FloatArray | None) -> int:
    return 0 if embeddings is None else int(embeddings.any(axis=1).sum())
