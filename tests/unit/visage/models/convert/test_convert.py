"""Converted networks against what else reads their format: OpenCV for TensorFlow's, the formulas for dlib's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from visage.models import ModelDamaged, ModelStore
from visage.models.convert import read_network
from visage.models.convert.dlib import _parameters
from visage.models.convert.protobuf import fields

Planes = NDArray[np.float32]

# Of dlib's input_rgb_image_sized: what it subtracts from red, green and blue, and divides by.
MEAN, DIVISOR = (122.782, 117.001, 104.298), 256.0


def result(network: onnx.ModelProto, planes: Planes) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(network.SerializeToString())
    output: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: planes})[0]
    return output


def test_facenets_frozen_graph_gives_what_opencv_gives(models: ModelStore) -> None:
    path = models.fetch("facenet")
    planes = np.random.default_rng(0).normal(0, 1, (1, 3, 160, 160)).astype(np.float32)
    network = cv2.dnn.readNetFromTensorflow(str(path))
    network.setInput(planes)
    expected = network.forward().ravel()

    found = result(read_network(path, "tensorflow"), planes).ravel()

    np.testing.assert_allclose(found / np.linalg.norm(found), expected, atol=1e-6)


def convolved(planes: NDArray[np.float64], weights: NDArray[np.float64], stride: int, pad: int) -> NDArray[np.float64]:
    """(C, H, W) with (F, C, k, k), by a sum over the kernel's places."""
    padded = np.pad(planes, ((0, 0), (pad, pad), (pad, pad)))
    kernel = weights.shape[2]
    side = (padded.shape[1] - kernel) // stride + 1
    total = np.zeros((len(weights), side, side))
    for row in range(kernel):
        for column in range(kernel):
            part = padded[:, row : row + stride * side : stride, column : column + stride * side : stride][
                :, :side, :side
            ]
            total += np.einsum("fc,chw->fhw", weights[:, :, row, column], part)
    return total


class DlibByHand:
    """The network of dlib's example, layer by layer in float64, nothing folded."""

    def __init__(self, content: bytes) -> None:
        self._layers: Iterator[tuple[str, Planes]] = iter(_parameters(content))

    def embed(self, planes: NDArray[np.float64]) -> NDArray[np.float64]:
        value = np.maximum(self._convolution(planes, 32, 7, 2), 0)
        side = (value.shape[1] - 3) // 2 + 1
        value = np.max(
            [value[:, r : r + 2 * side : 2, c : c + 2 * side : 2][:, :side, :side] for r in range(3) for c in range(3)],
            axis=0,
        )
        for filters, count, first_halves in (
            (32, 3, False),
            (64, 4, True),
            (128, 3, True),
            (256, 3, True),
            (256, 1, True),
        ):
            for number in range(count):
                value = self._block(value, filters, halves=first_halves and number == 0)
        means = value.mean(axis=(1, 2))
        _, weights = next(self._layers)
        embedding: NDArray[np.float64] = means @ weights.reshape(len(means), 128).astype(np.float64)
        return embedding

    def _block(self, value: NDArray[np.float64], filters: int, *, halves: bool) -> NDArray[np.float64]:
        inner = np.maximum(self._convolution(value, filters, 3, 2 if halves else 1), 0)
        inner = self._convolution(inner, filters, 3, 1)
        if halves:
            side = value.shape[1] // 2 * 2
            cut = value[:, :side, :side]
            value = (cut[:, ::2, ::2] + cut[:, 1::2, ::2] + cut[:, ::2, 1::2] + cut[:, 1::2, 1::2]) / 4
        total = np.zeros(np.maximum(inner.shape, value.shape))
        for part in (inner, value):
            total[tuple(map(slice, part.shape))] += part
        return np.maximum(total, 0)

    def _convolution(self, value: NDArray[np.float64], filters: int, kernel: int, stride: int) -> NDArray[np.float64]:
        _, values = next(self._layers)
        _, affine = next(self._layers)
        weights = values[:-filters].reshape(filters, len(value), kernel, kernel).astype(np.float64)
        output = convolved(value, weights, stride, kernel // 2 if stride == 1 else 0)
        output += values[-filters:].astype(np.float64)[:, None, None]
        gamma, beta = affine.astype(np.float64).reshape(2, filters, 1, 1)
        shifted: NDArray[np.float64] = gamma * output + beta
        return shifted


def test_dlibs_network_gives_what_its_layers_give_one_by_one(models: ModelStore) -> None:
    path = models.fetch("dlib")
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 150, 150))
    planes = (pixels - np.array(MEAN).reshape(3, 1, 1)) / DIVISOR

    expected = DlibByHand(path.read_bytes()).embed(planes)
    found = result(read_network(path, "dlib"), planes[None].astype(np.float32)).ravel()

    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x0a\x05hello"])
@pytest.mark.parametrize("kind", ["onnx", "dlib", "tensorflow"])
def test_other_bytes_are_refused_with_the_files_name(kind: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(content)

    with pytest.raises(ModelDamaged, match=r"x\.bin is not"):
        read_network(path, kind)  # type: ignore[arg-type]


def test_a_file_of_dlibs_that_is_cut_short_is_refused(models: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "short.dat"
    path.write_bytes(models.fetch("dlib").read_bytes()[:-1000])

    with pytest.raises(ModelDamaged):
        read_network(path, "dlib")


def test_protocol_buffers_are_read_field_by_field() -> None:
    message = onnx.TensorProto(dims=[300, 2], raw_data=b"abc", name="n")

    found = dict(fields(memoryview(message.SerializeToString())))

    assert bytes(found[9]) == b"abc"
    assert bytes(found[8]) == b"n"
