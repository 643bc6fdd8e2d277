"""What every device head needs: scratch memory for candidates, and the way of the kept faces to the host.

A batch costs one transfer: the counts and the first `FIRST_RECORDS` faces of each frame. Only a frame with more costs a
second one. At most `max_faces` faces of a frame are kept; the rest, the least certain, are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray
from stages.buffers.transfer import Readback, Uploads
from stages.errors import ModelMismatch
from stages.frames import LANDMARK_COUNT, Faces
from stages.imaging.letterbox import Letterbox

__all__ = ["FIRST_RECORDS", "HEAD_BLOCK", "DeviceRecords"]

FIRST_RECORDS = 8
"""Faces of a frame that every batch brings back: half a kilobyte."""

HEAD_BLOCK = (512, 1, 1)
"""Threads of a head's kernel, one block a frame."""

# Laid out as `Record` in stages/kernels/suppress.cuh.
RECORD = np.dtype([("box", "<f4", 4), ("score", "<f4"), ("landmarks", "<f4", (LANDMARK_COUNT, 2)), ("anchor", "<i4")])
_KEY_BYTES, _BOX_BYTES, _COUNT_BYTES, _PLACEMENT_BYTES = 8, 16, 4, 16


class DeviceRecords:
    """Device memory of one head, for batches of at most `max_batch` frames with at most `max_anchors` anchors.

    Owns it.
    """

    def __init__(self, device: CudaDevice, *, max_batch: int, max_anchors: int, max_faces: int) -> None:
        """Raises ValueError unless there is room for more faces a frame than `FIRST_RECORDS`."""
        if max_faces <= FIRST_RECORDS:
            raise ValueError(f"room for at least {FIRST_RECORDS + 1} faces a frame is needed, not {max_faces}")
        self._max_batch = max_batch
        self._max_anchors = max_anchors
        self._max_faces = max_faces
        rest_bytes = max_batch * (max_faces - FIRST_RECORDS) * RECORD.itemsize
        with ExitStack() as owned:

            def allocate(nbytes: int) -> DeviceArray:
                array = device.allocate((nbytes,))
                owned.callback(device.free, array)
                return array

            self._keys = allocate(max_batch * max_anchors * _KEY_BYTES)
            self._boxes = allocate(max_batch * max_anchors * _BOX_BYTES)
            self._first = allocate(self._first_bytes(max_batch))
            self._rest = allocate(rest_bytes)
            self._uploads = Uploads(device, max_batch * _PLACEMENT_BYTES)
            owned.callback(self._uploads.close)
            self._read_first = Readback(device, self._first.nbytes)
            owned.callback(self._read_first.close)
            self._read_rest = Readback(device, rest_bytes)
            owned.callback(self._read_rest.close)
            self._owned = owned.pop_all()
        # Records beyond a frame's count are copied too, so they must be initialised.
        stream = device.create_stream()
        stream.fill(self._first, 0)
        stream.synchronize()
        stream.close()

    def place(self, letterboxes: Sequence[Letterbox], anchors: int, *, stream: CudaStream) -> int:
        """Tell the card how the frames lie in the input; returns the address. Raises ModelMismatch for too many."""
        if len(letterboxes) > self._max_batch or anchors > self._max_anchors:
            raise ModelMismatch(
                f"{len(letterboxes)} frames of {anchors} anchors are more than the {self._max_batch} of "
                f"{self._max_anchors} that the head has room for"
            )
        places = np.array([(b.scale_x, b.scale_y, b.offset_x, b.offset_y) for b in letterboxes], np.float32)
        (address,) = self._uploads.send(places, stream=stream)
        return address

    def arguments(self, count: int) -> tuple[np.int32, int, int, int, int, int]:
        """The kernels' last arguments for `count` frames: max_faces, keys, boxes, counts, first, rest."""
        first = self._first.pointer + self._counts_bytes(count)
        return (
            np.int32(self._max_faces),
            self._keys.pointer,
            self._boxes.pointer,
            self._first.pointer,
            first,
            self._rest.pointer,
        )

    def read(self, count: int, *, has_landmarks: bool, stream: CudaStream) -> list[Faces]:
        """The faces of `count` frames, once the kernel queued on `stream` has run; blocks until then."""
        raw = self._read_first(self._first.view((self._first_bytes(count),)), stream=stream)
        start = self._counts_bytes(count)
        counts = raw[: count * _COUNT_BYTES].view(np.int32).tolist()
        first = raw[start:].view(RECORD).reshape(count, FIRST_RECORDS)
        crowds = {row: kept for row, kept in enumerate(counts) if kept > FIRST_RECORDS}
        rest = self._read_crowds(crowds, stream) if crowds else {}
        # Taken apart once a batch, into copies: `raw` is overwritten by the next, and the faces live on.
        boxes, scores = np.ascontiguousarray(first["box"]), np.ascontiguousarray(first["score"])
        landmarks = np.ascontiguousarray(first["landmarks"])
        return [
            self._faces(np.concatenate([first[row], rest[row]]), has_landmarks=has_landmarks)
            if row in rest
            else Faces(boxes[row, :kept], scores[row, :kept], landmarks[row, :kept] if has_landmarks else None)
            for row, kept in enumerate(counts)
        ]

    def close(self) -> None:
        """Release the device memory. Idempotent."""
        self._owned.close()

    def _read_crowds(self, crowds: dict[int, int], stream: CudaStream) -> dict[int, NDArray[np.void]]:
        """By row, the records beyond the first, of frames that have them."""
        row_bytes = (self._max_faces - FIRST_RECORDS) * RECORD.itemsize
        parts = [
            self._rest.view(((kept - FIRST_RECORDS) * RECORD.itemsize,), offset=row * row_bytes)
            for row, kept in crowds.items()
        ]
        arrays = self._read_rest.several(parts, stream=stream)
        return {row: array.view(RECORD) for row, array in zip(crowds, arrays, strict=True)}

    @staticmethod
    def _faces(records: NDArray[np.void], *, has_landmarks: bool) -> Faces:
        return Faces(
            boxes_xyxy=np.ascontiguousarray(records["box"]),
            scores=np.ascontiguousarray(records["score"]),
            landmarks=np.ascontiguousarray(records["landmarks"]) if has_landmarks else None,
        )

    @staticmethod
    def _counts_bytes(count: int) -> int:
        """Of the counts, up to where the records begin: a multiple of 16."""
        return -(-count * _COUNT_BYTES // 16) * 16

    def _first_bytes(self, count: int) -> int:
        return self._counts_bytes(count) + count * FIRST_RECORDS * RECORD.itemsize
