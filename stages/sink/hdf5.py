"""Embeddings as HDF5: `/embeddings`, `/frame_nums`, `/face_nums`, and `/track_ids` (0 without tracking).

One row for each face that was embedded, in the order of `detections.csv`. The two have the same rows unless faces were
followed (`--frameskip`) or chosen (`--embed best`).

Rows are appended in blocks of bounded size, so memory stays constant. Without a face the datasets are there and empty.
HDF5 stores whole chunks: where all rows fit in one, it is as long as they are, so that ten thousand films with a face
each don't take gigabytes.
On a full disk the HDF5 library crashes the process when it closes the file (h5py issue 914, still so in HDF5 2.0), so
it never learns of a failed write: `_UnfailingFile` keeps the error, and it is raised here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import h5py
import numpy as np

from stages.frames import Observation
from stages.sink.staged import StagedFile, output_errors

__all__ = ["EmbeddingsFile"]

T = TypeVar("T")

BLOCK_ROWS = 1024
# 128 KiB for embeddings of 128, well within the library's default chunk cache of 1 MiB.
CHUNK_ROWS = 256


class EmbeddingsFile:
    """Writes `/embeddings` float32 (N, D) and `/frame_nums`, `/face_nums`, `/track_ids` int32 (N,) to a staged file.

    Implements `stages.sink.rows.Table`.
    """

    def __init__(self, path: Path, *, dimension: int, force: bool = False) -> None:
        """Stage the file; `dimension` is D. Raises OutputExists, OutputFailed."""
        self._embeddings = np.empty((BLOCK_ROWS, dimension), np.float32)
        self._frame_nums = np.empty(BLOCK_ROWS, np.int32)
        self._face_nums = np.empty(BLOCK_ROWS, np.int32)
        self._track_ids = np.empty(BLOCK_ROWS, np.int32)
        self._filled = 0
        self._has_datasets = False
        self._staged = StagedFile(path, force=force)
        self._disk = _UnfailingFile(self._staged.file)
        self._file = h5py.File(self._disk, "w")

    def append(self, observation: Observation, source: str) -> None:
        """Add a frame's faces. Raises OutputFailed, and ValueError where they have no embeddings."""
        faces = observation.faces
        if not len(faces):
            return
        if faces.embeddings is None:
            raise ValueError("these faces have no embeddings")
        face_nums = np.flatnonzero(faces.embeddings.any(axis=1))
        start = 0
        while start < len(face_nums):
            stop = min(start + BLOCK_ROWS - self._filled, len(face_nums))
            rows = slice(self._filled, self._filled + stop - start)
            numbers = face_nums[start:stop]
            self._embeddings[rows] = faces.embeddings[numbers]
            self._frame_nums[rows] = observation.frame.index
            self._face_nums[rows] = numbers
            self._track_ids[rows] = 0 if faces.track_ids is None else faces.track_ids[numbers]
            self._filled = rows.stop
            start = stop
            if self._filled == BLOCK_ROWS:
                self._write_block()

    def seal(self) -> None:
        self._write_block()
        self._file.close()
        self._check()
        self._staged.seal()

    def publish(self) -> None:
        self._staged.publish()

    def discard(self) -> None:
        self._file.close()
        self._staged.discard()

    def _write_block(self) -> None:
        count, self._filled = self._filled, 0
        if not self._has_datasets:
            self._make_datasets(min(max(1, count), CHUNK_ROWS))
        for name, buffer in self._buffers().items():
            dataset = self._file[name]
            start = len(dataset)
            dataset.resize(start + count, axis=0)
            dataset[start:] = buffer[:count]
        self._check()

    def _make_datasets(self, chunk_rows: int) -> None:
        self._has_datasets = True
        for name, buffer in self._buffers().items():
            shape = buffer.shape[1:]
            self._file.create_dataset(
                name, (0, *shape), buffer.dtype, maxshape=(None, *shape), chunks=(chunk_rows, *shape)
            )

    def _check(self) -> None:
        if self._disk.error is not None:
            with output_errors(self._staged.path):
                raise self._disk.error

    def _buffers(self) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
        return {
            "embeddings": self._embeddings,
            "frame_nums": self._frame_nums,
            "face_nums": self._face_nums,
            "track_ids": self._track_ids,
        }


class _UnfailingFile:
    """What h5py needs of a file, over one that may fail. Keeps the first error and ignores whatever follows."""

    def __init__(self, file: BinaryIO) -> None:
        self.error: OSError | None = None
        self._file = file
        self._position = 0
        self._size = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (self._size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, data: memoryview) -> int:
        self._attempt(lambda: self._file.write(data), 0)
        self._size = max(self._size, self._position + len(data))
        return len(data)

    def read(self, size: int) -> bytes:
        return self._attempt(lambda: self._file.read(size), b"").ljust(size, b"\0")

    def readinto(self, buffer: memoryview) -> int:
        buffer[:] = self.read(len(buffer))
        return len(buffer)

    def truncate(self, size: int) -> int:
        self._attempt(lambda: self._file.truncate(size), 0)
        self._size = size
        return size

    def flush(self) -> None:
        self._attempt(self._file.flush, None)

    def _attempt(self, act: Callable[[], T], otherwise: T) -> T:
        if self.error is None:
            try:
                self._file.seek(self._position)
                return act()
            except OSError as exc:
                self.error = exc
        return otherwise
