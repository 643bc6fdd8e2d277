"""What is said about cards and TensorRT, with and without them."""

from __future__ import annotations

import importlib.util
from importlib import metadata

import pytest

from stages.backends import availability
from stages.backends.availability import Availability, Gpu, list_gpus, nvidia_status, tensorrt_status

H200 = Gpu(0, "NVIDIA H200", (9, 0), 150 * 2**30)


def pretend(monkeypatch: pytest.MonkeyPatch, gpu: Gpu, module: str, version: str) -> None:
    """This card, and this TensorRT installed."""
    monkeypatch.setattr(availability, "nvidia_status", lambda ordinal: Availability(True, str(gpu)))
    monkeypatch.setattr(availability, "list_gpus", lambda: [gpu])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in ("cuda", "cuda.core", module) or None)
    monkeypatch.setattr(metadata, "version", lambda distribution: version)


@pytest.mark.skipif(bool(list_gpus()), reason="this machine has a GPU")
def test_without_a_driver_both_say_so_and_what_to_do() -> None:
    assert nvidia_status() == tensorrt_status()
    assert not nvidia_status().ok
    assert "driver" in nvidia_status().detail
    assert nvidia_status().hint


def test_a_card_is_described_for_people() -> None:
    assert str(H200) == "cuda:0 NVIDIA H200 (sm_90, 150 GiB)"


@pytest.mark.parametrize(
    ("capability", "module", "version", "ok", "hint"),
    [
        ((9, 0), "tensorrt", "8.6.0", True, ""),
        ((9, 0), "tensorrt", "10.13.0", True, ""),
        ((6, 1), "tensorrt", "8.6.1", True, ""),
        ((6, 1), "tensorrt", "10.0.1", False, "8.6"),
        ((12, 0), "tensorrt", "10.7.0", False, "10.8"),
        ((12, 0), "tensorrt", "11.0.0", True, ""),
        ((12, 0), "tensorrt_rtx", "1.2.0", True, ""),
        ((9, 0), "tensorrt_rtx_bindings", "1.7.1", False, "[tensorrt]"),
    ],
)
def test_a_tensorrt_that_does_not_support_the_card_is_told_before_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], module: str, version: str, ok: bool, hint: str
) -> None:
    pretend(monkeypatch, Gpu(0, "card", capability, 2**33), module, version)
    status = tensorrt_status()
    assert status.ok is ok
    assert hint in status.hint
    assert version in status.detail


def test_a_missing_tensorrt_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, H200, "nothing", "0")
    status = tensorrt_status()
    assert not status.ok
    assert "not installed" in status.detail
    assert "pip install" in status.hint
