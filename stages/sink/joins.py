"""Parts of a table joined into one file without being decoded: the bytes of lines, and Parquet's row groups.

A Parquet part keeps its pages as they are; only the offsets in the footer's row groups move. Parts of few rows, which
would leave a reader thousands of tiny row groups, are the exception: they are gathered and written as groups of
`ROW_GROUP_ROWS`. Memory: the gathered rows, and a kilobyte or two of footer for every row group.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from stages.sink.parquet import ROW_GROUP_ROWS
from stages.sink.thrift import I16, I64, LIST, STRUCT, Field, Struct, read_struct, write_struct

__all__ = ["Join", "LinesJoin", "ParquetJoin"]

MIN_GROUP_ROWS = 128
"""A part of fewer rows is gathered with its neighbours; that costs the owner some 6 ms."""

MAGIC = b"PAR1"
TAIL_BYTES = 8
"""The length of the footer, and the magic number."""

# Field numbers of parquet-format's parquet.thrift.
NUM_ROWS, ROW_GROUPS = 3, 4
GROUP_COLUMNS, GROUP_OFFSET, GROUP_ORDINAL = 1, 5, 7
CHUNK_META_DATA = 3
CHUNK_OFFSETS = (2, 4, 6)
PAGE_OFFSETS = (9, 10, 11, 14)

MAX_ORDINAL = 1 << 15
"""An ordinal has 16 bits; row groups beyond have none, which readers take."""

CHUNK_BYTES = 1 << 20


class Join(Protocol):
    """Appends parts to a file, whose descriptor is its maker's. Raises OSError."""

    def append(self, part: Path) -> None:
        """Add a part after those that are there."""

    def finish(self) -> None:
        """Write what comes after the last part."""


class LinesJoin:
    """Joins files of lines behind a header. Implements `Join`."""

    def __init__(self, descriptor: int, header: bytes) -> None:
        self._descriptor = descriptor
        _write(descriptor, header)

    def append(self, part: Path) -> None:
        """Add a part's bytes to the end of the joined file. Raises OSError."""
        with part.open("rb") as file:
            _copy(file.fileno(), 0, os.fstat(file.fileno()).st_size, self._descriptor)

    def finish(self) -> None:
        """Nothing comes after the last line."""


class ParquetJoin:
    """Joins Parquet files of one schema. Implements `Join`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        _write(descriptor, MAGIC)
        self._position = len(MAGIC)
        self._footer: Struct = {}
        self._rows = 0
        self._groups: list[bytes] = []
        self._few: list[pa.Table] = []
        self._few_rows = 0

    def append(self, part: Path) -> None:
        """Add its row groups, or gather its rows where they are few. Raises ValueError for what is no Parquet file."""
        with part.open("rb") as file:
            footer, end = _read_footer(file.fileno())
            self._footer = self._footer or footer
            rows = footer[NUM_ROWS].value
            if rows >= MIN_GROUP_ROWS:
                self._write_few()
                self._take(file.fileno(), footer, end)
                return
        with pq.ParquetFile(part) as file:
            self._few.append(file.read(use_threads=False))
        self._few_rows += rows
        if self._few_rows >= ROW_GROUP_ROWS:
            self._write_few()

    def finish(self) -> None:
        """Write the footer, which is the first part's but for the row groups."""
        self._write_few()
        rows, groups = Field(I64, self._rows), Field(LIST, (STRUCT, self._groups))
        footer = write_struct({**self._footer, NUM_ROWS: rows, ROW_GROUPS: groups})
        _write(self._descriptor, footer + len(footer).to_bytes(4, "little") + MAGIC)

    def _write_few(self) -> None:
        """Write what has been gathered as a file in memory, and take that."""
        if self._few_rows:
            with os.fdopen(os.memfd_create("rows"), "w+b") as file:
                table = pa.concat_tables(self._few)
                pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP_ROWS)
                file.flush()
                self._take(file.fileno(), *_read_footer(file.fileno()))
        self._few, self._few_rows = [], 0

    def _take(self, descriptor: int, footer: Struct, end: int) -> None:
        """Copy everything between a file's magic number and its footer, which begins at `end`."""
        shift = self._position - len(MAGIC)
        for group in footer[ROW_GROUPS].value[1]:
            self._groups.append(_moved(group, shift, len(self._groups)))
        self._rows += footer[NUM_ROWS].value
        _copy(descriptor, len(MAGIC), end - len(MAGIC), self._descriptor)
        self._position += end - len(MAGIC)


def _read_footer(descriptor: int) -> tuple[Struct, int]:
    """The footer, and where it begins. Raises ValueError."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, TAIL_BYTES, max(0, size - TAIL_BYTES))
    if tail[4:] != MAGIC:
        raise ValueError("this is not a Parquet file")
    length = int.from_bytes(tail[:4], "little")
    end = size - TAIL_BYTES - length
    return read_struct(os.pread(descriptor, length, end)), end


def _moved(group: Struct, shift: int, ordinal: int) -> bytes:
    """A row group whose pages lie `shift` bytes further back than it says."""
    columns = [
        {
            **_shifted(chunk, CHUNK_OFFSETS, shift),
            CHUNK_META_DATA: Field(STRUCT, _shifted(chunk[CHUNK_META_DATA].value, PAGE_OFFSETS, shift)),
        }
        for chunk in group[GROUP_COLUMNS].value[1]
    ]
    moved = _shifted(group, (GROUP_OFFSET,), shift)
    moved[GROUP_COLUMNS] = Field(LIST, (STRUCT, columns))
    if ordinal < MAX_ORDINAL:
        moved[GROUP_ORDINAL] = Field(I16, ordinal)
    else:
        moved.pop(GROUP_ORDINAL, None)
    return write_struct(moved)


def _shifted(struct: Struct, offsets: tuple[int, ...], shift: int) -> Struct:
    """The struct with these fields moved; an offset of zero means that there is nothing."""
    moved = {number: Field(I64, struct[number].value + shift) for number in offsets if number in struct}
    return {**struct, **{number: field for number, field in moved.items() if struct[number].value > 0}}


def _copy(source: int, offset: int, count: int, target: int) -> None:
    """Copy bytes to the target's end, in the kernel where the file systems can."""
    while count:
        try:
            copied = os.copy_file_range(source, target, count, offset)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF):
                raise
            copied = 0
        if not copied:
            chunk = os.pread(source, min(count, CHUNK_BYTES), offset)
            if not chunk:
                raise OSError(errno.EIO, os.strerror(errno.EIO))  # shorter than its footer says
            _write(target, chunk)
            copied = len(chunk)
        offset, count = offset + copied, count - copied


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
