"""The pipeline's parts on the CPU: FFmpeg's software decoders, OpenCV, OpenVINO or ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.backends.base import Backend, HostTensor
from stages.backends.onnxruntime import OnnxRuntimeBackend
from stages.backends.openvino import MAX_CHUNK, OpenVINOBackend
from stages.buffers import DeviceSession
from stages.contract import FrameSource, Stage
from stages.decode.array_source import ArrayFrames
from stages.decode.video import VideoSource
from stages.detect.crops import CropDetector
from stages.detect.heads.base import Head
from stages.detect.heads.families import head_family
from stages.detect.stage import DetectStage
from stages.detect.still_turns import StillTurns
from stages.embed.second_look import SECOND_LOOK_SIDE, SecondLook
from stages.embed.stage import EmbedStage, host_readback
from stages.errors import BackendError, BackendUnavailable
from stages.frames import Frame, Observation, Picture
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.imaging import HostImaging
from stages.imaging.host.patches import HostPatchReader
from visage.assembly.photographs import array_source, is_photograph, photograph_source, source_options
from visage.assembly.plan import ModelPlan
from visage.assembly.turning import TurnFinder, turned_source
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.runtime.inboxes import OverflowPolicy
from visage.runtime.limits import PipelineLimits

__all__ = ["HostPlatform"]

DETECT_BATCH = 4
# On two cores, with every face of 1080p video embedded, 1.1 times the frames of batches of 8 and queues of 8.
EMBED_BATCH = 32
SECOND_LOOK_BATCH = 8
BATCH_DEADLINE_SECONDS = 0.01
INBOX_CAPACITY = 8
QUEUE_CAPACITY = 16
# Of a file, in queues and threads beside the detector: 3 MB each at 1080p. 32 faces to embed may be of ten pictures.
MOST_PICTURES = 20
FEW_PICTURES = 4


class HostPlatform:
    """Implements `visage.assembly.platform.Platform` in host memory."""

    def __init__(self, settings: Settings, plan: ModelPlan, *, cuda_ordinal: int | None = None) -> None:
        """
        Args:
            cuda_ordinal: the card whose networks ONNX Runtime is to run; None for the CPU.

        Raises:
            BackendUnavailable: the runtime that was asked for is not here, or can't use the card.
        """
        self._settings = settings
        self._cuda_ordinal = cuda_ordinal
        self._plan = plan
        self.detect_batch = settings.detect_batch or DETECT_BATCH
        self.embed_batch = settings.embed_batch or EMBED_BATCH
        self.batch_deadline_seconds = BATCH_DEADLINE_SECONDS
        self.inbox_capacity = settings.inbox_capacity or INBOX_CAPACITY
        self.queue_capacity = settings.queue_capacity or QUEUE_CAPACITY
        self.concurrent_files = max(2, settings.cpu_threads)
        # Networks and decoders keep all processors busy; OpenCV's own pool would only take turns with them.
        cv2.setNumThreads(1)
        self._embeds_few = settings.embeds in ("auto", "best")
        self._detector = self._backend(plan.detector.name, self.detect_batch, max_chunk=1)
        self._embedder = (
            self._backend(plan.embedder.name, self.embed_batch, max_chunk=1 if self._embeds_few else MAX_CHUNK)
            if plan.embedder
            else None
        )
        self._imaging = HostImaging(max_batch=1)
        self._turns = TurnFinder(settings)

    @property
    def description(self) -> str:
        return ", ".join(dict.fromkeys(backend.name for backend in (self._detector, self._embedder) if backend))

    def open_patch_reader(self) -> HostPatchReader:
        return HostPatchReader()

    @property
    def score_threshold(self) -> float:
        return self._plan.score_threshold

    def detect_stage(self, *, release_pixels: bool, keeps_weak: bool = False) -> Stage[Frame, Observation]:
        plan = self._plan
        head = head_family(plan.detector.head).head(**plan.head_thresholds(keeps_weak=keeps_weak))
        turns = None
        if plan.detector.looks_twice:
            turns = StillTurns(self._crop_detector(self._detector, head, plan.detector_input.longest))
        return DetectStage[NDArray[Any]](
            detector_input=plan.detector_input,
            imaging=HostImaging(max_batch=self.detect_batch),
            backend=self._detector,
            head=head,
            still_turns=turns,
            min_face_pixels=self._settings.min_face_pixels,
            release_pixels=release_pixels,
        )

    def embed_stage(self, *, release_pixels: bool, averages_mirrored: bool = False) -> Stage[Observation, Observation]:
        embedder = self._plan.embedder
        if embedder is None or self._embedder is None:
            raise ValueError("this plan has no embedder")
        session = DeviceSession()
        return EmbedStage[NDArray[Any]](
            imaging=HostImaging(max_batch=self.embed_batch),
            backend=self._embedder,
            readback=host_readback,
            crop_size=embedder.input.size,
            template=self._plan.template,
            dimension=embedder.embedding_dim,
            min_norm=embedder.min_norm,
            full_norm=embedder.full_norm,
            second_look=self._second_look(session),
            averages_mirrored=averages_mirrored,
            release_pixels=release_pixels,
            session=session,
        )

    def frame_source(self, spec: SourceSpec, *, concurrent: int, frames: ArrayFrames | None = None) -> FrameSource:
        return turned_source(
            self._settings,
            spec,
            self._turns,
            lambda turn: self._source(spec, turn, concurrent=concurrent, frames=frames),
            is_file=frames is None,
        )

    def _source(
        self, spec: SourceSpec, turn_degrees: int, *, concurrent: int, frames: ArrayFrames | None
    ) -> FrameSource:
        options = source_options(self._settings, spec, turn_degrees=turn_degrees)
        admission = HostAdmission(self._plan.detector_input, capacity=self._pictures(spec), waits=not spec.is_live)
        if frames is not None:
            return array_source(spec, frames, admission, options)
        if is_photograph(spec):
            return photograph_source(spec, admission, options)
        return VideoSource(
            source_id=spec.source_id,
            uri=spec.uri,
            admission=admission,
            options=options,
            decoder_threads=max(1, self._settings.cpu_threads // concurrent),
        )

    def memory_bytes(self) -> tuple[int, int] | None:
        """Return None: there is no card."""
        return None

    def to_bgr(self, picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        return self._imaging.to_bgr(picture, max_width)

    def close(self) -> None:
        """Close the networks that find turns, all that this platform owns. The stages close their own."""
        self._turns.close()

    def _second_look(self, session: DeviceSession) -> SecondLook[NDArray[Any]] | None:
        """A detector of its own for the embedder's thread; None where the networks have no use for one."""
        plan = self._plan
        if not plan.looks_twice:
            return None
        backend = session.own(self._backend(plan.detector.name, SECOND_LOOK_BATCH, max_chunk=1))
        head = head_family(plan.detector.head).head(**plan.head_thresholds(keeps_weak=True))
        return SecondLook(self._crop_detector(backend, head, SECOND_LOOK_SIDE))

    def _crop_detector(
        self, backend: Backend[HostTensor], head: Head[HostTensor], size: int
    ) -> CropDetector[NDArray[Any]]:
        imaging = HostImaging(max_batch=backend.max_batch)
        return CropDetector[NDArray[Any]](imaging=imaging, backend=backend, head=head, size=size)

    def _pictures(self, spec: SourceSpec) -> int:
        """A file waits for buffers, so few do; a camera short of them would drop what is new, its inbox what is old."""
        if not spec.is_live:
            return self.detect_batch + (FEW_PICTURES if self._embeds_few else MOST_PICTURES)
        limits = PipelineLimits(
            detect_batch=self.detect_batch,
            live_inbox_capacity=self.inbox_capacity,
            queue_capacity=self.queue_capacity,
        )
        return limits.most_pictures(OverflowPolicy.DROP_OLDEST)

    def _backend(self, model: str, max_batch: int, *, max_chunk: int) -> Backend[HostTensor]:
        settings = self._settings
        if settings.precision == "fp16":
            raise BackendError("fp16 is for GPUs; on the CPU choose --precision bf16 or fp32")
        network: Path = self._plan.store.prepared(model, progress=self._plan.progress)
        threads = settings.cpu_threads
        if self._cuda_ordinal is not None:
            return OnnxRuntimeBackend(network, max_batch=max_batch, threads=threads, cuda_ordinal=self._cuda_ordinal)
        if settings.backend in ("auto", "openvino"):
            try:
                return OpenVINOBackend(
                    network, max_batch=max_batch, threads=threads, precision=settings.precision, max_chunk=max_chunk
                )
            except BackendUnavailable:
                if settings.backend == "openvino":
                    raise
        return OnnxRuntimeBackend(network, max_batch=max_batch, threads=threads)
