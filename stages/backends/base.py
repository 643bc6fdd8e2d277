"""Runs a network. A backend takes and returns tensors in its own memory: host arrays or device arrays.

Networks are prepared (see `visage.models.prepare`) so that they take uint8 NHWC, BGR: the cast, the channel order and
the normalisation are the network's first layers, and no backend copies floats about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.buffers import Stream

__all__ = ["Backend", "HostTensor"]

HostTensor = NDArray[np.generic]

TensorT = TypeVar("TensorT")


class Backend(Protocol[TensorT]):
    """One compiled network, for one thread at a time. `infer` raises BackendError, ModelMismatch or ValueError."""

    @property
    def name(self) -> str:
        """Backend, device and precision for messages, for example "openvino cpu bf16"."""

    @property
    def max_batch(self) -> int:
        """The largest N of a batch that `infer` accepts; a larger one raises ValueError."""

    def infer(self, batch: TensorT, *, stream: Stream) -> Mapping[str, TensorT]:
        """Run the network.

        Args:
            batch: uint8 (N, H, W, 3), BGR, 1 <= N <= max_batch; an engine built for floats takes (N, 3, H, W), see
                `stages.imaging.device.tensor.TensorFormat`.
            stream: where device work is queued. Results may be read by work queued on it afterwards.

        Returns:
            float32 outputs by name, N first. They are valid until the next call.

        Raises:
            BackendError: with the network's name and the cause.
            ModelMismatch, ValueError: the batch has a shape or type that the network does not take.
        """

    def close(self) -> None:
        """Release the network. Idempotent; any call after it raises."""
