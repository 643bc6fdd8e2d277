"""What every head of host arrays does: waits for the outputs, and makes the faces of its candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from stages.backends.base import HostTensor
from stages.buffers import Stream
from stages.detect.heads.candidates import Candidates
from stages.frames import Faces, FloatArray
from stages.imaging.letterbox import Letterbox

__all__ = ["HostHead"]


class HostHead(ABC):
    """Implements `Head`; a family says which anchors of its outputs are candidates."""

    def __init__(self, *, score_threshold: float, nms_iou: float, strong_threshold: float = 0.0) -> None:
        """See `HostHeadFactory`."""
        self._score_threshold = score_threshold
        self._nms_iou = nms_iou
        self._strong_threshold = strong_threshold

    def decode(
        self,
        outputs: Mapping[str, HostTensor],
        letterboxes: Sequence[Letterbox],
        shape: tuple[int, int],
        *,
        stream: Stream,
    ) -> list[Faces]:
        """See `Head.decode`."""
        stream.synchronize()
        values = {name: np.asarray(output, np.float32) for name, output in outputs.items()}
        candidates = self._candidates(values, len(letterboxes), shape)
        return candidates.faces(letterboxes, self._nms_iou, self._strong_threshold)

    @abstractmethod
    def _candidates(self, outputs: Mapping[str, FloatArray], count: int, shape: tuple[int, int]) -> Candidates:
        """The anchors with at least the score threshold. Raises ModelMismatch.

        Args:
            outputs: the network's outputs by name.
            count: frames in the batch.
            shape: (height, width) of the input.
        """
