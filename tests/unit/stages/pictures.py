"""Pictures and picture arithmetic without pixels, for tests of what stages do with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.buffers import Stream
from stages.frames import FloatArray, Frame, Picture


class TaggedPicture:
    """A picture that is a number; it counts how often it was released."""

    def __init__(self, tag: int, width: int = 640, height: int = 360) -> None:
        self.tag = tag
        self.width = width
        self.height = height
        self.pixel_aspect = 1.0
        self.releases = 0

    def release(self) -> None:
        self.releases += 1


class TaggedImaging:
    """Makes inputs whose every byte is the picture's tag; remembers the transforms it was given."""

    def __init__(self, shape: tuple[int, int] = (4, 4)) -> None:
        self.shapes: list[list[tuple[int, int]]] = []
        self.transforms: list[FloatArray] = []
        self._shape = shape

    def letterbox(self, pictures: Sequence[Picture], *, stream: Stream) -> NDArray[np.uint8]:
        self.shapes.append([(picture.width, picture.height) for picture in pictures])
        return np.stack([np.full((*self._shape, 3), tag_of(picture), np.uint8) for picture in pictures])

    def crop(
        self, pictures: Sequence[Picture], transforms: Sequence[FloatArray], size: int, *, stream: Stream
    ) -> NDArray[np.uint8]:
        self.transforms += transforms
        return np.stack(
            [
                np.full((size, size, 3), tag_of(picture), np.uint8)
                for picture, own in zip(pictures, transforms, strict=True)
                for _ in own
            ]
        )

    def to_bgr(self, picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        raise NotImplementedError


def tag_of(picture: Picture) -> int:
    assert isinstance(picture, TaggedPicture)
    return picture.tag


def tagged_frame(tag: int, width: int = 640, height: int = 360, source_id: str = "clip") -> Frame:
    return Frame(source_id, tag, tag / 25, TaggedPicture(tag, width, height))
