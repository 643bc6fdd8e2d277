"""A card for the tests of this folder. Without one they skip; with VISAGE_REQUIRE_CUDA=1 they fail instead."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from stages.errors import BackendUnavailable

if TYPE_CHECKING:
    from stages.buffers.cuda import CudaDevice
    from stages.buffers.cuda_stream import CudaStream
    from tests.gpu.surfaces import Surfaces

IS_REQUIRED = os.environ.get("VISAGE_REQUIRE_CUDA") == "1"
IS_INSTALLED = importlib.util.find_spec("cuda") is not None and importlib.util.find_spec("cuda.core") is not None

# The modules import CUDA for Python; without it they can't even be collected.
collect_ignore_glob = [] if IS_INSTALLED or IS_REQUIRED else ["test_*.py"]


def pytest_report_header() -> list[str]:
    return ["tests/gpu: not collected, CUDA for Python is not installed"] if collect_ignore_glob else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(os.path.dirname(__file__)):
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session")
def device() -> CudaDevice:
    """The first card, current on the tests' thread."""
    from stages.buffers.cuda import CudaDevice  # noqa: PLC0415 - may be missing

    try:
        return CudaDevice(0)
    except BackendUnavailable as exc:
        if IS_REQUIRED:
            raise
        pytest.skip(str(exc))


@pytest.fixture
def stream(device: CudaDevice) -> Iterator[CudaStream]:
    stream = device.create_stream()
    yield stream
    stream.synchronize()
    stream.close()


@pytest.fixture
def surfaces(device: CudaDevice, stream: CudaStream) -> Iterator[Surfaces]:
    """Makes pictures on the card, freed with the test."""
    from tests.gpu.surfaces import Surfaces  # noqa: PLC0415 - imports CUDA for Python, which may be missing

    with Surfaces(device, stream) as surfaces:
        yield surfaces
