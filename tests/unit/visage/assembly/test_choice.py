"""Which platform is chosen for what is here; platforms are stand-ins, for what they need is not."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from stages.backends.availability import Availability
from stages.errors import BackendUnavailable
from visage.assembly import choice
from visage.assembly.choice import choose_platform
from visage.assembly.plan import ModelPlan
from visage.config import Settings


def chosen(
    monkeypatch: pytest.MonkeyPatch, *, tensorrt: bool, onnxruntime: bool, loads: bool = True, **options: Any
) -> str:
    """What a run gets, with the card it is on."""

    def host(settings: Settings, plan: ModelPlan, *, cuda_ordinal: int | None = None) -> str:
        if cuda_ordinal is not None and not loads:
            raise BackendUnavailable("its libraries are missing")
        return "cpu" if cuda_ordinal is None else f"onnxruntime cuda:{cuda_ordinal}"

    def card(settings: Settings, plan: ModelPlan) -> str:
        return f"tensorrt cuda:{settings.cuda_ordinal}"

    monkeypatch.setattr(choice, "tensorrt_status", lambda ordinal: Availability(tensorrt, "no TensorRT", "install it"))
    monkeypatch.setattr(choice, "onnxruntime_status", lambda ordinal: Availability(onnxruntime, "no provider"))
    monkeypatch.setitem(sys.modules, "visage.assembly.host", SimpleNamespace(HostPlatform=host))
    monkeypatch.setitem(sys.modules, "visage.assembly.cuda", SimpleNamespace(CudaPlatform=card))
    settings = Settings(**options)
    return str(choose_platform(settings, ModelPlan.of(settings)))


@pytest.mark.parametrize(
    ("tensorrt", "onnxruntime", "options", "expected"),
    [
        (True, True, {}, "tensorrt cuda:0"),
        (True, True, {"device": "cuda:1"}, "tensorrt cuda:1"),
        (False, True, {}, "onnxruntime cuda:0"),
        (False, True, {"device": "cuda:1"}, "onnxruntime cuda:1"),
        (False, False, {}, "cpu"),
        (True, True, {"device": "cpu"}, "cpu"),
        (True, True, {"backend": "openvino"}, "cpu"),
        (True, True, {"backend": "onnxruntime"}, "cpu"),
        (True, True, {"backend": "onnxruntime", "device": "cuda"}, "onnxruntime cuda:0"),
    ],
)
def test_the_best_that_is_here_and_asked_for_is_chosen(
    monkeypatch: pytest.MonkeyPatch, tensorrt: bool, onnxruntime: bool, options: dict[str, Any], expected: str
) -> None:
    assert chosen(monkeypatch, tensorrt=tensorrt, onnxruntime=onnxruntime, **options) == expected


def test_a_provider_that_does_not_load_is_passed_over_unless_a_card_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chosen(monkeypatch, tensorrt=False, onnxruntime=True, loads=False) == "cpu"
    with pytest.raises(BackendUnavailable, match="no TensorRT; install it"):
        chosen(monkeypatch, tensorrt=False, onnxruntime=True, loads=False, device="cuda")


def test_a_card_that_was_asked_for_and_can_t_be_used_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendUnavailable, match="no TensorRT; install it"):
        chosen(monkeypatch, tensorrt=False, onnxruntime=False, device="cuda:0")
    with pytest.raises(BackendUnavailable, match="no TensorRT; install it"):
        chosen(monkeypatch, tensorrt=False, onnxruntime=True, backend="tensorrt")
