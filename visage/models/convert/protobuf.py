"""Protocol buffers read field by field, without a schema; see protobuf.dev, "Encoding"."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["fields"]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 64


def fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of every field: an int for a varint, else the bytes. Raises ValueError, IndexError."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == LENGTH:
            length, position = _varint(message, position)
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire_type} at byte {position}")
        if position + length > len(message):
            raise ValueError(f"a field of {length} bytes reaches beyond the end")
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follows
            return value, position
        if shift > LONGEST_VARINT:
            raise ValueError(f"an endless number at byte {position}")
