"""What every head with a kernel does: one launch, one block a frame, and the kept faces read back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from stages.buffers import Stream
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray
from stages.detect.heads.device.device_records import FIRST_RECORDS, HEAD_BLOCK, DeviceRecords
from stages.frames import Faces
from stages.imaging.letterbox import DetectorInput, Letterbox
from stages.kernels.compiler import load_kernel

__all__ = ["Arguments", "KernelHead"]

Arguments = tuple[object, ...]
"""Of a launch; see `CudaStream.launch`."""


class KernelHead(ABC):
    """Implements `Head` where the outputs are; `decode` returns when the faces are on the host.

    Attributes:
        KERNEL: name of the family's kernel.
    """

    KERNEL: ClassVar[str]

    def __init__(
        self,
        device: CudaDevice,
        *,
        detector_input: DetectorInput,
        max_batch: int,
        score_threshold: float,
        nms_iou: float,
        strong_threshold: float = 0.0,
        max_faces: int = 256,
        kernel_cache: Path | None = None,
    ) -> None:
        """
        Args:
            detector_input: of every batch; bounds the anchors.
            max_batch: frames that one `decode` takes.
            score_threshold, nms_iou, strong_threshold: see `HostHeadFactory`.
            max_faces: kept of a frame, the best ones.
            kernel_cache: folder for compiled kernels.
        """
        self._score_threshold = score_threshold
        self._suppression = (np.float32(nms_iou), np.float32(strong_threshold))
        defines = {"FIRST_RECORDS": str(FIRST_RECORDS)}
        self._kernel = load_kernel(device, self.KERNEL, defines, cache_folder=kernel_cache)
        self._records = DeviceRecords(
            device,
            max_batch=max_batch,
            max_anchors=self._anchor_count((detector_input.longest, detector_input.longest)),
            max_faces=max_faces,
        )

    def decode(
        self,
        outputs: Mapping[str, DeviceArray],
        letterboxes: Sequence[Letterbox],
        shape: tuple[int, int],
        *,
        stream: Stream,
    ) -> list[Faces]:
        """See `Head.decode`."""
        stream = CudaStream.of(stream)
        count = len(letterboxes)
        before, after, has_landmarks = self._arguments(outputs, count, shape)
        stream.launch(
            self._kernel,
            (count, 1, 1),
            HEAD_BLOCK,
            *before,
            self._records.place(letterboxes, self._anchor_count(shape), stream=stream),
            *after,
            *self._suppression,
            *self._records.arguments(count),
        )
        return self._records.read(count, has_landmarks=has_landmarks, stream=stream)

    def close(self) -> None:
        """Release the device memory. Idempotent."""
        self._records.close()

    @staticmethod
    @abstractmethod
    def _anchor_count(size: tuple[int, int]) -> int:
        """Anchors for an input of (height, width)."""

    @abstractmethod
    def _arguments(
        self, outputs: Mapping[str, DeviceArray], count: int, shape: tuple[int, int]
    ) -> tuple[Arguments, Arguments, bool]:
        """The kernel's arguments before and after the letterboxes, and whether there are landmarks.

        Raises ModelMismatch.
        """
