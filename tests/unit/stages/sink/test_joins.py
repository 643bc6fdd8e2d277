"""Parts joined: the same rows as one file, whatever their sizes, and a codec that gives back what it read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sink.joins import MIN_GROUP_ROWS, LinesJoin, ParquetJoin
from stages.sink.parquet import ROW_GROUP_ROWS, ParquetTable
from stages.sink.thrift import BINARY, BYTE, DOUBLE, FALSE, I64, LIST, STRUCT, TRUE, Field, read_struct, write_struct
from tests.unit.stages.sink.scenes import DIMENSION, observation


def write_part(path: Path, rows: int, first_frame: int) -> None:
    """`rows` faces, eight a frame."""
    table = ParquetTable(path, embedding_dimension=DIMENSION, is_part=True)
    for number, start in enumerate(range(0, rows, 8)):
        table.append(observation(first_frame + number, min(8, rows - start)), f"/videos/{path.stem}.mp4")
    table.seal()
    table.publish()


@pytest.mark.parametrize(
    "rows",
    [
        [0],
        [5, 0, 7],
        [2 * ROW_GROUP_ROWS + 100],
        [10, ROW_GROUP_ROWS + 50, 20, MIN_GROUP_ROWS, 0, MIN_GROUP_ROWS - 1],
        [MIN_GROUP_ROWS - 1] * 6,
    ],
)
def test_parquet_parts_are_one_table_with_every_row_in_order(tmp_path: Path, rows: list[int]) -> None:
    parts = [tmp_path / f"{number}.parquet" for number in range(len(rows))]
    for number, (path, count) in enumerate(zip(parts, rows, strict=True)):
        write_part(path, count, 10_000 * number)
    joined = tmp_path / "joined.parquet"
    with joined.open("wb") as file:
        join = ParquetJoin(file.fileno())
        for path in parts:
            join.append(path)
        join.finish()
    expected = pa.concat_tables([pq.read_table(path) for path in parts])
    found = pq.ParquetFile(joined)
    assert found.metadata.num_rows == sum(rows)
    assert found.read().equals(expected, check_metadata=True)
    assert found.num_row_groups <= sum(count // ROW_GROUP_ROWS + 2 for count in rows if count >= MIN_GROUP_ROWS) + 1
    for group in range(found.num_row_groups):  # each by itself, by its offsets
        assert found.read_row_group(group).num_rows == found.metadata.row_group(group).num_rows


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"rows of something else")
    with (tmp_path / "joined").open("wb") as file, pytest.raises(ValueError, match="not a Parquet file"):
        ParquetJoin(file.fileno()).append(tmp_path / "part")


def test_lines_are_joined_behind_the_header(tmp_path: Path) -> None:
    for name, text in (("a", "1\n2\n"), ("b", ""), ("c", "3\n")):
        (tmp_path / name).write_text(text)
    with (tmp_path / "joined").open("wb") as file:
        join = LinesJoin(file.fileno(), b"number\n")
        for name in ("a", "b", "c"):
            join.append(tmp_path / name)
        join.finish()
    assert (tmp_path / "joined").read_text() == "number\n1\n2\n3\n"


def values(structs: st.SearchStrategy[Field]) -> st.SearchStrategy[Field]:
    fields = st.dictionaries(st.integers(1, 300), structs, max_size=4)
    lists = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)
    return (
        fields.map(lambda struct: Field(STRUCT, struct))
        | lists.map(lambda numbers: Field(LIST, (I64, numbers)))
        | st.lists(fields, max_size=17).map(lambda found: Field(LIST, (STRUCT, found)))
    )


LEAVES = (
    st.integers(-(2**63), 2**63 - 1).map(lambda number: Field(I64, number))
    | st.integers(0, 255).map(lambda number: Field(BYTE, number))
    | st.binary(max_size=200).map(lambda data: Field(BINARY, data))
    | st.binary(min_size=8, max_size=8).map(lambda data: Field(DOUBLE, data))
    | st.sampled_from([Field(TRUE, None), Field(FALSE, None)])
)


@given(st.dictionaries(st.integers(1, 300), st.recursive(LEAVES, values, max_leaves=12), max_size=20))
def test_a_struct_that_was_written_is_read_as_it_was(struct: dict[int, Field]) -> None:
    data = write_struct(struct)
    assert read_struct(data) == struct
    with pytest.raises(ValueError, match="cut short"):
        read_struct(data[:-1])
