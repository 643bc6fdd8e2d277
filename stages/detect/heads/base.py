"""What turns a detector's raw outputs into faces. One file a family of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from stages.buffers import Stream
from stages.frames import Faces
from stages.imaging.letterbox import Letterbox

__all__ = ["Head"]

TensorT_contra = TypeVar("TensorT_contra", contravariant=True)


class Head(Protocol[TensorT_contra]):
    """Decodes, thresholds and suppresses. The thresholds are the instance's."""

    @property
    def has_landmarks(self) -> bool:
        """Whether the faces carry five landmarks."""

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
            suppression is greedy: a box goes if its IoU with a better kept one is above the threshold.

        Raises:
            ModelMismatch: an output is missing or has another shape.
        """
