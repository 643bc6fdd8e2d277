"""What OpenVINO's and ONNX Runtime's backends promise alike."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from stages.backends.base import Backend, HostTensor
from stages.backends.onnxruntime import OnnxRuntimeBackend
from stages.backends.openvino import OpenVINOBackend
from stages.buffers import HostStream
from stages.errors import BackendError, BackendUnavailable, ModelMismatch
from tests.unit.stages.backends.networks import write_channel_means

Make = Callable[..., Backend[HostTensor]]

BACKENDS = [
    pytest.param(partial(OpenVINOBackend, precision="fp32"), id="openvino"),
    pytest.param(OnnxRuntimeBackend, id="onnxruntime"),
]
pytestmark = pytest.mark.parametrize("make", BACKENDS)


def pictures_of(count: int, height: int = 8, width: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)


def infer_means(backend: Backend[HostTensor], pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    (name, means), *others = backend.infer(pictures, stream=HostStream()).items()
    assert name == "means"
    assert means.dtype == np.float32
    assert not others
    return np.array(means, np.float32)


def means_of(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(pictures.mean(axis=(1, 2)) * 10)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.smoke
def test_every_batch_size_gives_each_row_its_own_result(make: Make, threads: int, tmp_path: Path) -> None:
    backend = make(write_channel_means(tmp_path / "n.onnx", side=8), max_batch=9, threads=threads)

    for count in [*range(1, 10), 3, 9, 1]:
        pictures = pictures_of(count)
        np.testing.assert_allclose(infer_means(backend, pictures), means_of(pictures), rtol=1e-5)


def test_picture_sizes_alternate_freely_where_the_network_allows(make: Make, tmp_path: Path) -> None:
    backend = make(write_channel_means(tmp_path / "n.onnx", side=None), max_batch=4, threads=2)

    for round_number in range(2):
        for width in range(2, 14):  # more sizes than OpenVINO's backend keeps
            pictures = pictures_of(4 - round_number, 5, width)
            np.testing.assert_allclose(infer_means(backend, pictures), means_of(pictures), rtol=1e-5)


def test_a_batch_that_is_not_contiguous_is_understood(make: Make, tmp_path: Path) -> None:
    backend = make(write_channel_means(tmp_path / "n.onnx", side=8), max_batch=4, threads=2)
    pictures = pictures_of(8)[::2, :, ::-1]

    np.testing.assert_allclose(infer_means(backend, pictures), means_of(pictures), rtol=1e-5)


@pytest.mark.parametrize(
    "batch", [np.zeros((0, 8, 8, 3), np.uint8), np.zeros((5, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3), np.float32)]
)
def test_batches_outside_the_contract_are_refused(make: Make, batch: HostTensor, tmp_path: Path) -> None:
    backend = make(write_channel_means(tmp_path / "n.onnx", side=8), max_batch=4, threads=1)

    with pytest.raises(ValueError, match=r"expected uint8 \(1\.\.4"):
        backend.infer(batch, stream=HostStream())


def test_a_picture_of_another_size_than_the_networks_is_a_backend_error(make: Make, tmp_path: Path) -> None:
    path = write_channel_means(tmp_path / "fixed.onnx", side=8)
    backend = make(path, max_batch=4, threads=1)

    with pytest.raises(BackendError, match=r"fixed\.onnx"):
        backend.infer(pictures_of(1, 9, 9), stream=HostStream())
    pictures = pictures_of(1)
    np.testing.assert_allclose(infer_means(backend, pictures), means_of(pictures), rtol=1e-5)


def test_a_network_with_another_input_is_a_mismatch(make: Make, tmp_path: Path) -> None:
    path = write_channel_means(tmp_path / "float.onnx", side=8, element_type=TensorProto.FLOAT16)

    with pytest.raises(ModelMismatch, match=r"float\.onnx should have one input, uint8"):
        make(path, max_batch=1, threads=1)


def test_a_file_that_is_no_network_is_named(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"broken")

    with pytest.raises(BackendError, match=r"can't read .*broken\.onnx"):
        make(path, max_batch=1, threads=1)


def test_a_closed_backend_says_so(make: Make, tmp_path: Path) -> None:
    backend = make(write_channel_means(tmp_path / "n.onnx", side=8), max_batch=1, threads=1)
    backend.close()
    backend.close()

    with pytest.raises(BackendError, match="closed"):
        backend.infer(pictures_of(1), stream=HostStream())


def test_a_missing_library_names_the_command_that_installs_it(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_channel_means(tmp_path / "n.onnx", side=8)
    library = make(path, max_batch=1, threads=1).name.split()[0]
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(BackendUnavailable, match=f"pip install {library}"):
        make(path, max_batch=1, threads=1)


def test_nothing_is_printed(make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    backend = make(write_channel_means(tmp_path / "n.onnx", side=8), max_batch=2, threads=1)

    backend.infer(pictures_of(2), stream=HostStream())

    assert capfd.readouterr() == ("", "")
