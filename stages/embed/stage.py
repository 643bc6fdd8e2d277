"""Faces in, embeddings out: align, crop, network. Faces of several frames and sources share a call."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.backends.base import Backend, HostTensor
from stages.buffers import DeviceSession, Stream
from stages.embed.align import box_transforms, landmark_transforms
from stages.embed.recognisability import with_recognisability
from stages.errors import ModelMismatch
from stages.frames import Faces, FloatArray, Frame, Observation
from stages.imaging.base import Imaging

__all__ = ["EmbedStage", "ToHost", "host_readback"]

TensorT = TypeVar("TensorT")
TensorT_contra = TypeVar("TensorT_contra", contravariant=True)


class EmbedStage(Generic[TensorT]):
    """Gives faces an embedding of norm 1; those not worth it or not recognisable get zeros.

    Its session owns the backend and its other parts.
    """

    name = "embed"

    def __init__(
        self,
        *,
        imaging: Imaging[TensorT],
        backend: Backend[TensorT],
        readback: ToHost[TensorT],
        crop_size: int,
        template: FloatArray | None,
        dimension: int,
        min_norm: float = 0.0,
        full_norm: float = 0.0,
        release_pixels: bool = True,
        session: DeviceSession | None = None,
    ) -> None:
        """
        Args:
            crop_size: side of the network's input in pixels.
            template: float32 (5, 2), where the landmarks belong in the crop; None crops by the box.
            dimension: length of an embedding.
            min_norm: least norm of the network's output; below, the face is not recognisable and gets zeros.
            full_norm: norm of a face that is as recognisable as any: embedded faces get the quality that theirs gives.
                0 leaves the quality as it is.
            release_pixels: this is the last stage that needs them. False leaves that to whoever comes next.
            session: the stage's stream and parts, the host's by default; it owns the backend from now on.
        """
        self._imaging = imaging
        self._backend = backend
        self._readback = readback
        self._crop_size = crop_size
        self._template = template
        self._dimension = dimension
        self._min_norm = min_norm
        self._full_norm = full_norm
        self._release_pixels = release_pixels
        session = session or DeviceSession()
        session.own(backend)
        self._stream = session.stream
        self.open, self.close = session.open, session.close

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        """Embed the faces worth it of every observation; results are in the batch's order."""
        chosen = [item.faces.worth_embedding for item in batch]
        seen = [(item.frame, _rows(item.faces, rows)) for item, rows in zip(batch, chosen, strict=True) if len(rows)]
        requests = list(zip([frame for frame, _ in seen], self._transforms(seen), strict=True))
        found = [self._embed(chunk) for chunk in _chunks(requests, self._backend.max_batch)]
        raw = np.concatenate([np.empty((0, self._dimension), np.float32), *found])
        norms = np.linalg.norm(raw, axis=1)
        embeddings = np.asarray(raw / np.maximum(norms, np.finfo(np.float32).tiny)[:, None], np.float32)
        embeddings[norms < self._min_norm] = 0
        results: list[Observation] = []
        start = 0
        for item, rows in zip(batch, chosen, strict=True):
            stop = start + len(rows)
            own = embeddings[start:stop]
            if len(rows) < len(item.faces):
                own = np.zeros((len(item.faces), self._dimension), np.float32)
                own[rows] = embeddings[start:stop]
            faces = with_recognisability(item.faces, rows, norms[start:stop], self._full_norm)
            results.append(item.with_faces(faces.with_embeddings(own)))
            start = stop
            if self._release_pixels:
                item.release()
        return results

    def end_source(self, source_id: str) -> None:
        """Nothing is kept of a source."""

    def _transforms(self, seen: Sequence[tuple[Frame, Faces]]) -> list[FloatArray]:
        """Of each frame's faces, float32 (N, 2, 3); all of a batch at once, for numpy takes its time for each call."""
        if not seen:
            return []
        counts = [len(faces) for _, faces in seen]
        aspects = np.repeat([frame.picture.pixel_aspect for frame, _ in seen], counts)
        landmarks = [faces.landmarks for _, faces in seen if faces.landmarks is not None]
        if self._template is None or len(landmarks) < len(seen):
            boxes = np.concatenate([faces.boxes_xyxy for _, faces in seen])
            transforms = box_transforms(boxes, self._crop_size, pixel_aspect=aspects)
        else:
            transforms = landmark_transforms(np.concatenate(landmarks), self._template, pixel_aspect=aspects)
        ends = list(itertools.accumulate(counts))
        return [transforms[end - count : end] for end, count in zip(ends, counts, strict=True)]

    def _embed(self, requests: Sequence[tuple[Frame, FloatArray]]) -> FloatArray:
        crops = self._imaging.crop(
            [frame.picture for frame, _ in requests],
            [transforms for _, transforms in requests],
            self._crop_size,
            stream=self._stream,
        )
        outputs = self._backend.infer(crops, stream=self._stream)
        if len(outputs) != 1:
            raise ModelMismatch(f"an embedder has one output, this network has {sorted(outputs)}")
        (output,) = outputs.values()
        raw = self._readback(output, stream=self._stream)
        count = sum(len(transforms) for _, transforms in requests)
        if raw.shape != (count, self._dimension):
            raise ModelMismatch(f"embeddings should have shape {(count, self._dimension)}, found {raw.shape}")
        return np.array(raw, np.float32)


class ToHost(Protocol[TensorT_contra]):
    """Brings a network's output into host memory."""

    def __call__(self, tensor: TensorT_contra, *, stream: Stream) -> HostTensor:
        """The tensor as a host array; returns when it is there."""


def host_readback(tensor: HostTensor, *, stream: Stream) -> HostTensor:
    """A `ToHost` for backends whose outputs are host arrays: valid until the backend's next call."""
    return tensor


def _rows(faces: Faces, rows: NDArray[np.intp]) -> Faces:
    return faces if len(rows) == len(faces) else faces.select(rows)


def _chunks(requests: Sequence[tuple[Frame, FloatArray]], limit: int) -> Iterator[list[tuple[Frame, FloatArray]]]:
    """Cut the requests into lists of at most `limit` faces; a frame's faces may be spread over several."""
    chunk: list[tuple[Frame, FloatArray]] = []
    room = limit
    for frame, all_transforms in requests:
        transforms = all_transforms
        while len(transforms):
            part, transforms = transforms[:room], transforms[room:]
            chunk.append((frame, part))
            room -= len(part)
            if not room:
                yield chunk
                chunk, room = [], limit
    if chunk:
        yield chunk
