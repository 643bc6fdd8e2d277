"""GIF: a chain of blocks, each with its length, up to the trailer (GIF89a specification, 15 to 27)."""

from __future__ import annotations

import os
from typing import BinaryIO

__all__ = ["flaw_of_gif"]

TRAILER, EXTENSION, IMAGE = 0x3B, 0x21, 0x2C
TABLE = 0x80
HEADER_BYTES, IMAGE_BYTES = 13, 9
FULL_BLOCK = 255

MIN_IMAGES = 4
"""Of fewer images it can't be said which of them are unlike the others."""


def flaw_of_gif(file: BinaryIO) -> str | None:
    """Why an open file is not whole, as half a sentence; None where it is.

    Coders fill the blocks of an image up, but for the last: where a few images of many have others, something was cut
    out or put in, and the chain has found its way back by chance.
    """
    head = file.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        return "its end is missing"
    _skip_table(file, head[10])
    images = uneven = 0
    while kind := file.read(1):
        if kind[0] == TRAILER:
            is_damaged = images >= MIN_IMAGES and 0 < uneven < images / 2
            return "some of its pictures are damaged" if is_damaged else None
        if kind[0] == EXTENSION:
            file.read(1)
        elif kind[0] == IMAGE:
            image = file.read(IMAGE_BYTES)
            if len(image) < IMAGE_BYTES:
                break
            _skip_table(file, image[8])
            file.read(1)
        else:
            break
        is_even = _skip_blocks(file)
        images += kind[0] == IMAGE
        uneven += kind[0] == IMAGE and not is_even
    return "its end is missing"


def _skip_table(file: BinaryIO, flags: int) -> None:
    if flags & TABLE:
        file.seek(3 << (flags & 7) + 1, os.SEEK_CUR)


def _skip_blocks(file: BinaryIO) -> bool:
    """Go behind the blocks that follow; whether all but the last are full."""
    is_even, last = True, FULL_BLOCK
    while (length := file.read(1)) and length[0]:
        is_even &= last == FULL_BLOCK
        last = length[0]
        file.seek(last, os.SEEK_CUR)
    return is_even
