"""Decodes a detector's raw outputs into faces; how a family of detectors is added.

A family is one module of this folder, called as the catalogue's `head` says, with a `FAMILY`. Nothing else names it:
`families.py` finds it, the catalogue's entry chooses it, `visage models add` recognises its networks by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from stages.backends.base import HostTensor
from stages.buffers import Stream
from stages.frames import Faces
from stages.imaging.letterbox import Letterbox

__all__ = ["Head", "HeadFamily", "HostHeadFactory", "OutputShapes"]

TensorT_contra = TypeVar("TensorT_contra", contravariant=True)

OutputShapes = Mapping[str, tuple[int, ...]]
"""Shapes of a network's outputs by name, in the network's order."""


class Head(Protocol[TensorT_contra]):
    """Decodes, thresholds and suppresses. The thresholds, in [0, 1], are fixed for the instance."""

    def decode(
        self,
        outputs: Mapping[str, TensorT_contra],
        letterboxes: Sequence[Letterbox],
        shape: tuple[int, int],
        *,
        stream: Stream,
    ) -> list[Faces]:
        """The faces of each frame of a batch.

        Args:
            outputs: the network's outputs by name, float32, N first.
            letterboxes: N of them, how each frame lies in the input.
            shape: (height, width) of the input.
            stream: the stream the outputs were queued on.

        Returns:
            N records, each in source pixels and best score first (ties: the lower anchor first). Non-maximum
            suppression is greedy: a box goes if its IoU with a better kept one is above the threshold. Those that go
            vote on where the kept one is (see `stages.detect.nms`).

        Raises:
            ModelMismatch: an output is missing or has another shape.
        """


class HostHeadFactory(Protocol):
    """Makes a head for host arrays; thresholds lie in [0, 1]."""

    def __call__(self, *, score_threshold: float, nms_iou: float, strong_threshold: float = 0.0) -> Head[HostTensor]:
        """Make a head.

        Args:
            score_threshold: least score, in [0, 1].
            nms_iou: IoU above which the weaker of two boxes goes.
            strong_threshold: faces with at least this score are what they would be if it were the `score_threshold`:
                candidates below it do not vote on them.
        """


@dataclass(frozen=True, slots=True)
class HeadFamily:
    """Detectors that are decoded alike.

    Attributes:
        head: makes the host's head.
        recognises: whether outputs of these shapes, for one picture of (height, width), are this family's.
        colour, mean, scale: the pixels its networks were usually trained on: (value - mean) * scale, value 0-255.
        longest, multiple, pad_value: its usual `DetectorInput`.
        score_threshold, nms_iou: its publisher's.
    """

    head: HostHeadFactory
    recognises: Callable[[OutputShapes, tuple[int, int]], bool]
    colour: Literal["bgr", "rgb"]
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    longest: int = 640
    multiple: int = 32
    pad_value: int = 0
    score_threshold: float = 0.5
    nms_iou: float = 0.4
