"""How a picture's colours are stored in a network's input; the kernels are compiled for one such format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["UINT8_BGR", "TensorFormat"]


@dataclass(frozen=True, slots=True)
class TensorFormat:
    """Element type, layout, channel order and normalisation.

    Attributes:
        dtype: uint8 is (N, H, W, 3), BGR, 0-255, for networks that normalise themselves. The float types are
            (N, 3, H, W) and hold (colour - mean) * gain, which spares the network its first layers.
        is_rgb: channel order of the float types.
        mean, gain: by channel, in the tensor's order.
    """

    dtype: Literal["uint8", "float16", "float32"] = "uint8"
    is_rgb: bool = False
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        is_normalised = self.is_rgb or any(self.mean) or set(self.gain) != {1.0}
        if self.dtype == "uint8" and is_normalised:
            raise ValueError("a uint8 tensor holds BGR as it is; choose a float type to normalise")

    @property
    def element(self) -> np.dtype[np.generic]:
        """The numpy dtype of one element: uint8, float16 or float32."""
        return np.dtype(self.dtype)

    def shape(self, count: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return the shape of `count` pictures: (N, H, W, 3) for uint8, (N, 3, H, W) for the float types."""
        return (count, height, width, 3) if self.dtype == "uint8" else (count, 3, height, width)

    def defines(self) -> dict[str, str]:
        """Return the macros of tensor.cuh that compile a kernel for this format."""
        macros = {f"TENSOR_{self.dtype.upper()}": "1"}
        if self.dtype != "uint8":
            macros |= {f"MEAN_{channel}": f"{value!r}f" for channel, value in enumerate(map(float, self.mean))}
            macros |= {f"GAIN_{channel}": f"{value!r}f" for channel, value in enumerate(map(float, self.gain))}
        if self.is_rgb:
            macros["CHANNELS_RGB"] = "1"
        return macros


UINT8_BGR = TensorFormat()
"""What prepared networks take."""
