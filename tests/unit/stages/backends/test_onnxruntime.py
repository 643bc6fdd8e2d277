"""What ONNX Runtime's backend does when it is asked for a card; the installed build has only the CPU's provider."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from stages.backends.availability import nvidia_status, onnxruntime_status
from stages.backends.onnxruntime import CUDA_PROVIDER, OnnxRuntimeBackend
from stages.errors import BackendUnavailable
from tests.unit.stages.backends.networks import write_channel_means

without_cuda = pytest.mark.skipif(
    CUDA_PROVIDER in onnxruntime.get_available_providers(), reason="this build has the CUDA provider"
)


@without_cuda
def test_a_build_without_cuda_refuses_a_card_instead_of_taking_the_processor(tmp_path: Path) -> None:
    network = write_channel_means(tmp_path / "n.onnx", side=8)
    with pytest.raises(BackendUnavailable, match="pip install onnxruntime-gpu"):
        OnnxRuntimeBackend(network, max_batch=4, threads=1, cuda_ordinal=0)
    assert OnnxRuntimeBackend(network, max_batch=4, threads=1).name == "onnxruntime cpu fp32"


def test_a_provider_that_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the libraries of CUDA are missing: ONNX Runtime warns and takes the processor."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA_PROVIDER, "CPUExecutionProvider"])
    with (
        pytest.warns(UserWarning, match=CUDA_PROVIDER),
        pytest.raises(BackendUnavailable, match="can't use cuda:3: its CUDA libraries are missing"),
    ):
        OnnxRuntimeBackend(write_channel_means(tmp_path / "n.onnx", side=8), max_batch=4, threads=1, cuda_ordinal=3)


@pytest.mark.skipif(nvidia_status().ok, reason="this machine has a GPU")
def test_without_a_driver_the_provider_is_not_even_asked_for() -> None:
    assert onnxruntime_status() == nvidia_status()
