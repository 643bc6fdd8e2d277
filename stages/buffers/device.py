"""Arrays that the host may name but not read: device memory, and the page-locked memory that copies to and from it.

Both are plain addresses with a shape. Who allocated them (`CudaDevice`) frees them; a view never does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["DeviceArray", "PinnedArray"]


@dataclass(frozen=True, slots=True)
class DeviceArray:
    """A dense, row-major array in device memory.

    Attributes:
        pointer: device address of the first element.
        shape: elements along each axis.
        dtype: element type.
        room: bytes from the first element to the end of the allocation, where that is more than the array's own.
        nbytes: of the elements, without `room`.
    """

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    room: int = 0
    nbytes: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nbytes", math.prod(self.shape) * self.dtype.itemsize)

    def view(
        self, shape: tuple[int, ...], dtype: np.dtype[np.generic] | None = None, *, offset: int = 0
    ) -> DeviceArray:
        """Another shape over the same memory, `offset` bytes from its start. Raises ValueError if it reaches out."""
        room = max(self.room, self.nbytes) - offset
        view = DeviceArray(self.pointer + offset, shape, self.dtype if dtype is None else dtype, room)
        if offset < 0 or offset + view.nbytes > self.nbytes:
            raise ValueError(f"{view.nbytes} bytes from {offset} reach out of an array of {self.nbytes} bytes")
        return view


@dataclass(frozen=True, slots=True)
class PinnedArray:
    """A numpy array in page-locked host memory, to and from which bytes are copied asynchronously.

    Attributes:
        pointer: its address.
        array: the array; reading it before a download has passed gives old values.
    """

    pointer: int
    array: NDArray[np.generic] = field(repr=False)
