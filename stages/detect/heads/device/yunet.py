"""YuNet's head on the card; its formulas stand in `stages.detect.heads.yunet`, its kernel in yunet_head.cu.

Differs from the host's head in one thing: there is no bound on candidates, only on the faces kept of a frame.
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
from stages.detect.heads.yunet import OUTPUT_DEPTHS, STRIDES
from stages.errors import ModelMismatch
from stages.frames import Faces
from stages.imaging.letterbox import DetectorInput, Letterbox
from stages.kernels.compiler import load_kernel

__all__ = ["DeviceYuNetHead"]


class DeviceYuNetHead:
    """Implements `Head` where the outputs are; `decode` returns when the faces are on the host."""

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
        self._squared_threshold = np.float32(score_threshold**2)
        self._nms_iou = np.float32(nms_iou)
        self._strong_threshold = np.float32(strong_threshold)
        defines = {"FIRST_RECORDS": str(FIRST_RECORDS)}
        self._kernel = load_kernel(device, "yunet_head", defines, cache_folder=kernel_cache)
        side = detector_input.longest
        self._records = DeviceRecords(
            device,
            max_batch=max_batch,
            max_anchors=sum((side // stride) ** 2 for stride in STRIDES),
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
        count, (height, width) = len(letterboxes), shape
        anchors = [(height // stride) * (width // stride) for stride in STRIDES]
        pointers = [
            _pointer(outputs, f"{kind}_{stride}", (count, cells, depth))
            for stride, cells in zip(STRIDES, anchors, strict=True)
            for kind, depth in OUTPUT_DEPTHS.items()
        ]
        stream.launch(
            self._kernel,
            (count, 1, 1),
            HEAD_BLOCK,
            *pointers,
            self._records.place(letterboxes, sum(anchors), stream=stream),
            np.int32(height),
            np.int32(width),
            self._squared_threshold,
            self._nms_iou,
            self._strong_threshold,
            *self._records.arguments(count),
        )
        return self._records.read(count, has_landmarks=True, stream=stream)

    def close(self) -> None:
        """Give the card's memory back. Safe to call twice."""
        self._records.close()


def _pointer(outputs: Mapping[str, DeviceArray], name: str, shape: tuple[int, ...]) -> int:
    output = outputs.get(name)
    if output is None or output.shape != shape or output.dtype != np.float32:
        found = "no such output" if output is None else f"{output.dtype} {output.shape}"
        raise ModelMismatch(f"not a YuNet: {name} should be float32 {shape}, found {found}")
    return output.pointer
