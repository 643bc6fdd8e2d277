"""Thrift's compact protocol, as far as a Parquet footer needs it: read into plain values, changed, and written again.

A struct becomes a dict from field number to `Field`, a list becomes a `Field` of kind LIST whose value is a pair of the
elements' kind and the elements. Nothing is interpreted, so that fields of later versions of the format survive. Written
after the specification of the protocol (apache/thrift, doc/specs/thrift-compact-protocol.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

__all__ = ["Field", "Struct", "read_struct", "write_struct"]

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

LONG_LIST = 15


class Field(NamedTuple):
    """A value with its kind, one of the protocol's twelve."""

    kind: int
    value: Any


Struct: TypeAlias = dict[int, Field]


def read_struct(data: bytes) -> Struct:
    """Read the struct at the start. Raises ValueError where there is none."""
    try:
        return _Reader(data).struct()
    except IndexError as error:
        raise ValueError("the struct is cut short") from error


def write_struct(struct: Struct) -> bytes:
    """Return the bytes of a struct, fields in the order of their numbers. A struct inside may be bytes already."""
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            fields[number] = Field(head & 15, self._value(head & 15))
        return fields

    def _value(self, kind: int) -> Any:
        value: Any = None  # of TRUE and FALSE the kind says it
        if kind == BYTE:
            value = self._byte()
        elif kind in (I16, I32, I64):
            value = self._zigzag()
        elif kind in (DOUBLE, BINARY):
            value = self._bytes(8 if kind == DOUBLE else self._varint())
        elif kind in (LIST, SET):
            value = self._list()
        elif kind == STRUCT:
            value = self.struct()
        elif kind not in (TRUE, FALSE):
            raise ValueError(f"a Parquet footer has no values of kind {kind}")
        return value

    def _list(self) -> tuple[int, list[Any]]:
        head = self._byte()
        count = head >> 4 if head >> 4 != LONG_LIST else self._varint()
        kind = head & 15
        return kind, [self._byte() if kind in (TRUE, FALSE) else self._value(kind) for _ in range(count)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004  # the highest bit says that more follows
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def _write_struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for number in sorted(struct):
        kind, value = struct[number]
        if 0 < number - before < LONG_LIST + 1:
            out.append((number - before) << 4 | kind)
        else:
            out.append(kind)
            _write_zigzag(out, number)
        before = number
        _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in (I16, I32, I64):
        _write_zigzag(out, value)
    elif kind == BYTE:
        out.append(value)
    elif kind == DOUBLE:
        out += value
    elif kind == BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind in (LIST, SET):
        inner, elements = value
        if len(elements) < LONG_LIST:
            out.append(len(elements) << 4 | inner)
        else:
            out.append(LONG_LIST << 4 | inner)
            _write_varint(out, len(elements))
        for element in elements:
            if inner in (TRUE, FALSE):
                out.append(element)
            else:
                _write_value(out, inner, element)
    elif kind == STRUCT and isinstance(value, bytes):
        out += value
    elif kind == STRUCT:
        _write_struct(out, value)


def _write_varint(out: bytearray, value: int) -> None:
    while value > 127:  # noqa: PLR2004
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _write_zigzag(out: bytearray, value: int) -> None:
    _write_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)
