"""The head of YOLO face detectors on the card; the kernel is yolo_head.cu.

Networks with one output, float32 (N, 5, A): xc, yc, w, h in input pixels and the score; or (N, 20, A): then x, y and
visibility of five landmarks, as the YOLOv8- and YOLO11-face networks export them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from stages.buffers import Stream
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray
from stages.detect.heads.device.records import FIRST_RECORDS, HEAD_BLOCK, DeviceRecords
from stages.detect.heads.yolo import BOX_CHANNELS, LANDMARK_CHANNELS, anchor_count
from stages.errors import ModelMismatch
from stages.frames import Faces
from stages.imaging.letterbox import DetectorInput, Letterbox
from stages.kernels.compiler import load_kernel

__all__ = ["DeviceYoloHead"]


class DeviceYoloHead:
    """Implements `Head` where the output is; `decode` returns when the faces are on the host."""

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
        self._has_landmarks = False
        self._score_threshold = np.float32(score_threshold)
        self._nms_iou = np.float32(nms_iou)
        self._strong_threshold = np.float32(strong_threshold)
        defines = {"FIRST_RECORDS": str(FIRST_RECORDS)}
        self._kernel = load_kernel(device, "yolo_head", defines, cache_folder=kernel_cache)
        self._records = DeviceRecords(
            device,
            max_batch=max_batch,
            max_anchors=anchor_count((detector_input.longest, detector_input.longest)),
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
        count, anchors = len(letterboxes), anchor_count(shape)
        expected = [(count, channels, anchors) for channels in (BOX_CHANNELS, LANDMARK_CHANNELS)]
        output = next(iter(outputs.values())) if len(outputs) == 1 else None
        if output is None or output.shape not in expected or output.dtype != np.float32:
            found = sorted(outputs) if output is None else f"{output.dtype} {output.shape}"
            wanted = " or ".join(map(str, expected))
            raise ModelMismatch(f"not a YOLO face detector: its one output should be float32 {wanted}, found {found}")
        channels = output.shape[1]
        self._has_landmarks = channels == LANDMARK_CHANNELS
        stream.launch(
            self._kernel,
            (count, 1, 1),
            HEAD_BLOCK,
            output.pointer,
            np.int32(channels),
            np.int32(anchors),
            self._records.place(letterboxes, anchors, stream=stream),
            self._score_threshold,
            self._nms_iou,
            self._strong_threshold,
            *self._records.arguments(count),
        )
        return self._records.read(count, has_landmarks=self._has_landmarks, stream=stream)

    def close(self) -> None:
        """Give the card's memory back. Safe to call twice."""
        self._records.close()
