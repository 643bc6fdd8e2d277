"""Parquet footers: what is written is read again, and a footer that is cut short is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sink.thrift import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    I16,
    I32,
    I64,
    LIST,
    SET,
    STRUCT,
    TRUE,
    Field,
    Struct,
    read_struct,
    write_struct,
)

LONG = st.integers(-(2**63), 2**63 - 1)

flat = st.one_of(
    st.sampled_from([Field(TRUE, None), Field(FALSE, None)]),
    st.builds(Field, st.just(BYTE), st.integers(0, 255)),
    st.builds(Field, st.sampled_from([I16, I32, I64]), LONG),
    st.builds(Field, st.just(DOUBLE), st.binary(min_size=8, max_size=8)),
    st.builds(Field, st.just(BINARY), st.binary(max_size=300)),
)
# From 15 elements on a list states its length in another way.
lists = st.builds(
    Field,
    st.sampled_from([LIST, SET]),
    st.one_of(
        st.tuples(st.just(I64), st.lists(LONG, max_size=20)),
        st.tuples(st.just(TRUE), st.lists(st.sampled_from([TRUE, FALSE]), max_size=20)),
        st.tuples(st.just(BINARY), st.lists(st.binary(max_size=9), max_size=20)),
    ),
)
# Numbers that are further apart than 15 are written in full.
NUMBERS = st.integers(1, 200)
structs = st.recursive(
    st.dictionaries(NUMBERS, st.one_of(flat, lists), max_size=5),
    lambda inner: st.dictionaries(
        NUMBERS,
        st.one_of(
            flat,
            st.builds(Field, st.just(STRUCT), inner),
            st.builds(Field, st.just(LIST), st.tuples(st.just(STRUCT), st.lists(inner, max_size=17))),
        ),
        max_size=4,
    ),
    max_leaves=6,
)


@given(structs)
def test_what_is_written_is_read_again(struct: Struct) -> None:
    assert read_struct(write_struct(struct)) == struct


@given(structs, st.binary(max_size=20))
def test_what_follows_a_struct_is_not_read(struct: Struct, rest: bytes) -> None:
    assert read_struct(write_struct(struct) + rest) == struct


@given(structs, st.data())
def test_a_struct_that_is_cut_short_is_refused(struct: Struct, data: st.DataObject) -> None:
    whole = write_struct(struct)
    with pytest.raises(ValueError, match="cut short"):
        read_struct(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(structs)
def test_a_struct_inside_may_be_bytes_already(struct: Struct) -> None:
    outer = {3: Field(STRUCT, write_struct(struct))}
    assert read_struct(write_struct(outer)) == {3: Field(STRUCT, struct)}
