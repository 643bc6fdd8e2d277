"""Protocol buffers read without a schema, against the encoding as protobuf.dev has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visage.models.convert.protobuf import FIXED32, FIXED64, LENGTH, VARINT, fields

numbers = st.integers(1, 2**29 - 1)
values = st.one_of(
    st.tuples(st.just(VARINT), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(LENGTH), st.binary(max_size=200)),
    st.tuples(st.just(FIXED32), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(FIXED64), st.binary(min_size=8, max_size=8)),
)
messages = st.lists(st.tuples(numbers, values), max_size=8)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def encoded(number: int, kind: int, value: int | bytes) -> bytes:
    key = varint(number << 3 | kind)
    if isinstance(value, int):
        return key + varint(value)
    return key + (varint(len(value)) if kind == LENGTH else b"") + value


@given(messages)
def test_every_field_comes_out_in_order(message: list[tuple[int, tuple[int, int | bytes]]]) -> None:
    data = b"".join(encoded(number, *value) for number, value in message)
    found = [(number, value if isinstance(value, int) else bytes(value)) for number, value in fields(memoryview(data))]
    assert found == [(number, value) for number, (_, value) in message]


@given(numbers, values, st.data())
def test_a_field_that_is_cut_short_is_refused(number: int, value: tuple[int, int | bytes], data: st.DataObject) -> None:
    whole = encoded(number, *value)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises((ValueError, IndexError)):
        list(fields(memoryview(cut)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0b", "wire type 3"),  # a group, which no format of ours has
        (b"\x0f", "wire type 7"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "an endless number"),
        (b"\x0a\x7f", "127 bytes reaches beyond the end"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(fields(memoryview(data)))
