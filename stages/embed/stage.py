"""Faces in, embeddings out: align, crop, network. Faces of several frames and sources share a call."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.backends.base import Backend, HostTensor
from stages.buffers import DeviceSession, Stream
from stages.embed.align import box_transforms, landmark_transforms, mirrored
from stages.embed.recognisability import with_recognisability
from stages.embed.second_look import SecondLook
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
        second_look: SecondLook[TensorT] | None = None,
        averages_mirrored: bool = False,
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
            second_look: looks again at small and tilted faces, and for other turns of those not recognisable.
                None takes the detector's landmarks as they are.
            averages_mirrored: embed the mean of each face and its mirror image, at twice the cost.
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
        self._second_look = second_look if template is not None else None
        self._averages_mirrored = averages_mirrored
        self._release_pixels = release_pixels
        session = session or DeviceSession()
        session.own(backend)
        self._stream = session.stream
        self.open, self.close = session.open, session.close

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        """Embed the faces worth it of every observation; results are in the batch's order."""
        chosen = [item.faces.worth_embedding for item in batch]
        items = [(item.frame, _rows(item.faces, rows)) for item, rows in zip(batch, chosen, strict=True)]
        items, found, norms = self._recognised(items)
        results = []
        for item, rows, (_, seen), embeddings, lengths in zip(batch, chosen, items, found, norms, strict=True):
            faces = _with_rows(item.faces, rows, seen.landmarks, embeddings)
            results.append(item.with_faces(with_recognisability(faces, rows, lengths, self._full_norm)))
        if self._release_pixels:
            for item in batch:
                item.release()
        return results

    def end_source(self, source_id: str) -> None:
        """Nothing is kept of a source."""

    def _recognised(
        self, seen: Sequence[tuple[Frame, Faces]]
    ) -> tuple[list[tuple[Frame, Faces]], list[FloatArray], list[FloatArray]]:
        """The faces, with better landmarks where a second look found them.

        With them, a record each, their embeddings, (n, D), and the norms these had, (n,).
        """
        second_look = self._second_look
        if any(faces.landmarks is None for _, faces in seen):
            second_look = None
        if second_look is not None:
            refined = second_look.refined(seen)
            seen = [(frame, replace(faces, landmarks=own)) for (frame, faces), own in zip(seen, refined, strict=True)]
        embeddings, norms = self._embedded(seen)
        if second_look is not None and self._min_norm > 0:
            self._turn(second_look, seen, embeddings, norms)
        for own, lengths in zip(embeddings, norms, strict=True):
            own[lengths < self._min_norm] = 0
        return list(seen), embeddings, norms

    def _turn(
        self,
        second_look: SecondLook[TensorT],
        seen: Sequence[tuple[Frame, Faces]],
        embeddings: Sequence[FloatArray],
        norms: Sequence[FloatArray],
    ) -> None:
        """Where a face is not recognisable but is in another turn, put that turn's landmarks and embedding in place."""
        weak = [np.flatnonzero(lengths < self._min_norm) for lengths in norms]
        found = second_look.turned(seen, weak)
        if not found:
            return
        again = [
            (seen[place][0], replace(seen[place][1].select(np.array([row])), landmarks=one[None]))
            for place, row, one in found
        ]
        for (place, row, one), embedding, norm in zip(found, *self._embedded(again), strict=True):
            landmarks = seen[place][1].landmarks
            if landmarks is not None and norm[0] > norms[place][row]:
                landmarks[row], embeddings[place][row], norms[place][row] = one, embedding[0], norm[0]

    def _embedded(self, seen: Sequence[tuple[Frame, Faces]]) -> tuple[list[FloatArray], list[FloatArray]]:
        """Of each record's faces the embeddings, float32 (n, D) of norm 1, and the norms they had, float32 (n,)."""
        if not seen:
            return [], []
        counts = [len(faces) for _, faces in seen]
        wanted = [(frame, faces) for frame, faces in seen if len(faces)]
        transforms = self._transforms(wanted)
        if self._averages_mirrored:
            transforms = [np.stack([some, mirrored(some, self._crop_size)], 1).reshape(-1, 2, 3) for some in transforms]
        requests = list(zip([frame for frame, _ in wanted], transforms, strict=True))
        raw = [self._embed(chunk) for chunk in _chunks(requests, self._backend.max_batch)]
        rows = np.concatenate([np.empty((0, self._dimension), np.float32), *raw])
        norms = np.linalg.norm(rows, axis=1)
        if self._averages_mirrored:
            rows, norms = rows.reshape(-1, 2, self._dimension).sum(axis=1), norms.reshape(-1, 2).mean(axis=1)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        unit = np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)
        ends = np.cumsum(counts)[:-1]
        return np.split(unit, ends), np.split(np.asarray(norms, np.float32), ends)

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


def _with_rows(faces: Faces, rows: NDArray[np.intp], landmarks: FloatArray | None, embeddings: FloatArray) -> Faces:
    """The faces with these landmarks and embeddings in these rows; the other rows get embeddings of zeros."""
    if len(rows) == len(faces):
        return replace(faces, landmarks=landmarks, embeddings=embeddings)
    own = np.zeros((len(faces), embeddings.shape[1]), np.float32)
    own[rows] = embeddings
    if faces.landmarks is None or landmarks is None:
        return faces.with_embeddings(own)
    points = faces.landmarks.copy()
    points[rows] = landmarks
    return replace(faces, landmarks=points, embeddings=own)


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
