"""The pipeline's parts on a card: NVDEC, our kernels, TensorRT.

Only boxes, landmarks and embeddings come back, and small gray pictures for tracking: of each frame and of each face.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.backends.base import Backend
from stages.backends.tensorrt_api import TensorRTApi
from stages.buffers import DeviceSession
from stages.buffers.cuda import CudaDevice
from stages.buffers.device import DeviceArray
from stages.buffers.transfer import Readback
from stages.contract import FrameSource, Stage
from stages.decode.array_source import ArrayFrames
from stages.decode.nvdec import NvdecSource
from stages.detect.heads.device.readback import ReadbackHead
from stages.detect.heads.device.yolo import DeviceYoloHead
from stages.detect.heads.device.yunet import DeviceYuNetHead
from stages.detect.heads.families import head_family
from stages.detect.stage import DetectStage
from stages.embed.stage import EmbedStage
from stages.errors import BackendError
from stages.frames import Frame, Observation, Picture
from stages.imaging.device.admission import DeviceAdmission
from stages.imaging.device.imaging import DeviceImaging
from stages.imaging.device.patches import DevicePatchReader
from stages.imaging.letterbox import DetectorInput
from visage.assembly.photographs import array_source, is_photograph, photograph_source, source_options
from visage.assembly.plan import ModelPlan
from visage.assembly.turning import TurnFinder, turned_source
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models.engines import EngineCache
from visage.models.registry import ModelSpec
from visage.models.tensorrt import engine_request, open_backend

__all__ = ["CudaPlatform"]

logger = logging.getLogger(__name__)

HEADS: Mapping[str, Callable[..., DeviceYuNetHead | DeviceYoloHead]] = {
    "yunet": DeviceYuNetHead,
    "yolo": DeviceYoloHead,
}
"""Heads with a kernel, by family; all others read the network's outputs back."""

# The tables of docs/benchmarks.md were measured with these; engines are built for them, and serve smaller batches too.
DETECT_BATCH = 32
EMBED_BATCH = 128

# Batches are what keeps the interpreter from being the limit: 16 videos in four processes came to 15 frames a batch in
# a hundredth of a second.
BATCH_DEADLINE_SECONDS = 0.05

# Pictures of one source that may wait for the detector, and be on their way behind it: a batch of a lone source and
# what its decoder makes meanwhile. With 8 waiting, decoders stood still a fifth of the time.
INBOX_CAPACITY = 40
IN_STAGES = 40

STILL_TURNS = 3
"""In which a still is looked at beside the one it has."""

MEMORY_SHARE = 0.25
"""Of the card, for the pictures of the sources that are decoded at once: of large frames fewer may wait."""

# An H200's seven NVDEC engines are busy with 14 files; the rest keeps them so while others open.
CONCURRENT_FILES = 16


class CudaPlatform:
    """Implements `visage.assembly.platform.Platform` on one card.

    To be made before anything else in the process uses it.
    """

    def __init__(self, settings: Settings, plan: ModelPlan) -> None:
        """Raises BackendUnavailable: no driver, no such card, no TensorRT."""
        if settings.precision == "bf16":
            raise BackendError("bf16 is for CPUs; on a GPU choose --precision fp16 or fp32")
        self._settings = settings
        # Following a face takes little; woken for it on 16 processors, OpenCV's threads took 21 ms of a frame, now 5.
        cv2.setNumThreads(1)
        # Engines are built for their shapes: two serve frames of every size.
        self._plan = replace(plan, detector_input=replace(plan.detector_input, coarse=True))
        self.detect_batch = settings.detect_batch or DETECT_BATCH
        self.embed_batch = settings.embed_batch or EMBED_BATCH
        self.batch_deadline_seconds = BATCH_DEADLINE_SECONDS
        self.inbox_capacity = settings.inbox_capacity or INBOX_CAPACITY
        self.queue_capacity = settings.queue_capacity or 2 * self.detect_batch
        self.concurrent_files = CONCURRENT_FILES
        self._device = CudaDevice(settings.cuda_ordinal)
        self._api = TensorRTApi.load()
        self._engines = EngineCache(plan.store.model_dir, api=self._api, arch=self._device.arch)
        self._most_bytes = int(MEMORY_SHARE * self._device.memory_bytes()[1]) // (settings.workers or 1)
        self._kernels = plan.store.model_dir / "kernels"
        self._preview: DeviceImaging | None = None
        self._turns = TurnFinder(settings)

    @property
    def device(self) -> CudaDevice:
        """The card; owned by this platform."""
        return self._device

    @property
    def description(self) -> str:
        return f"{self._api.name} {self._precision} on {self._device.name}"

    def open_patch_reader(self) -> DevicePatchReader:
        return DevicePatchReader(self._device, kernel_cache=self._kernels)

    @property
    def score_threshold(self) -> float:
        return self._plan.score_threshold

    def detect_stage(self, *, release_pixels: bool, keeps_weak: bool = False) -> Stage[Frame, Observation]:
        plan, device = self._plan, self._device
        with self._session() as session:
            imaging = DeviceImaging(
                device,
                detector_input=plan.detector_input,
                max_batch=self.detect_batch,
                kernel_cache=self._kernels,
            )
            head = session.own(self._head(plan.detector_input, self.detect_batch, keeps_weak=keeps_weak))
            backend = self._backend(plan.detector, max(self.detect_batch, DETECT_BATCH))
            return DetectStage[DeviceArray](
                detector_input=plan.detector_input,
                imaging=session.own(imaging),
                head=head,
                backend=backend,
                min_face_pixels=self._settings.min_face_pixels,
                release_pixels=release_pixels,
                session=session,
            )

    def embed_stage(self, *, release_pixels: bool, averages_mirrored: bool = False) -> Stage[Observation, Observation]:
        plan, device, embedder = self._plan, self._device, self._plan.embedder
        if embedder is None:
            raise ValueError("this plan has no embedder")
        with self._session() as session:
            imaging = DeviceImaging(
                device,
                detector_input=plan.detector_input,
                max_batch=self.embed_batch,
                crop_size=embedder.input.size,
                max_crops=self.embed_batch,
                kernel_cache=self._kernels,
            )
            readback = Readback(device, self.embed_batch * embedder.embedding_dim * np.dtype(np.float32).itemsize)
            return EmbedStage[DeviceArray](
                imaging=session.own(imaging),
                readback=session.own(readback),
                backend=self._backend(embedder, max(self.embed_batch, EMBED_BATCH)),
                crop_size=embedder.input.size,
                template=plan.template,
                dimension=embedder.embedding_dim,
                min_norm=embedder.min_norm,
                full_norm=embedder.full_norm,
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
        is_still = frames is not None or is_photograph(spec)
        admission = DeviceAdmission(
            self._device,
            capacity=self.inbox_capacity + IN_STAGES,
            most_bytes=self._most_bytes // concurrent,
            waits=not spec.is_live,
            on_upload=None
            if is_still
            else lambda pixels: logger.warning(
                "%s: NVDEC can't decode this stream (%s); decoding on the CPU", spec.source_id, pixels
            ),
        )
        if frames is not None:
            return array_source(spec, frames, admission, options)
        if is_still:
            return photograph_source(spec, admission, options)
        return NvdecSource(self._device, source_id=spec.source_id, uri=spec.uri, admission=admission, options=options)

    def memory_bytes(self) -> tuple[int, int] | None:
        return self._device.memory_bytes()

    def to_bgr(self, picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        self._device.make_current()  # the sinks' thread comes here first
        if self._preview is None:
            self._preview = DeviceImaging(
                self._device, detector_input=self._plan.detector_input, max_batch=1, kernel_cache=self._kernels
            )
        return self._preview.to_bgr(picture, max_width)

    def close(self) -> None:
        self._turns.close()
        preview, self._preview = self._preview, None
        if preview is not None:
            preview.close()

    def _session(self) -> DeviceSession:
        stream = self._device.create_stream()
        session = DeviceSession(stream, attach=self._device.make_current)
        session.own(stream)
        return session

    @property
    def _precision(self) -> Literal["fp16", "fp32"]:
        return "fp32" if self._settings.precision == "fp32" else "fp16"

    def _head(
        self, detector_input: DetectorInput, max_batch: int, *, keeps_weak: bool
    ) -> DeviceYuNetHead | DeviceYoloHead | ReadbackHead:
        plan, thresholds = self._plan, self._plan.head_thresholds(keeps_weak=keeps_weak)
        on_card = HEADS.get(plan.detector.head)
        if on_card is None:
            family = head_family(plan.detector.head)
            host = family.head(**thresholds)
            return ReadbackHead(self._device, host)
        return on_card(
            self._device,
            detector_input=detector_input,
            max_batch=max_batch,
            **thresholds,
            kernel_cache=self._kernels,
        )

    def _backend(self, spec: ModelSpec, max_batch: int, *, detector_size: int | None = None) -> Backend[DeviceArray]:
        request = engine_request(
            spec,
            self._plan.store,
            max_batch=max_batch,
            detector_size=detector_size or self._settings.detector_size,
            precision=self._precision,
        )
        return open_backend(
            request, cache=self._engines, api=self._api, device=self._device, on_build=self._plan.on_build
        )
