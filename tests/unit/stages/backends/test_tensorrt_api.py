"""The differences between TensorRT's versions, and that the members they rest on exist where they are used."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest

from stages.backends import tensorrt_api
from stages.backends.tensorrt_api import TensorRTApi
from stages.errors import BackendUnavailable


def module_of(name: str, version: str) -> ModuleType:
    """A TensorRT module as far as a version's traits are read from it."""
    severity = SimpleNamespace(ERROR=1, INTERNAL_ERROR=0)
    logger = type("ILogger", (), {"__init__": lambda self: None, "Severity": severity})
    module = ModuleType(name)
    module.__dict__.update(__version__=version, ILogger=logger)
    return module


@pytest.mark.parametrize(
    ("name", "version", "is_strongly_typed", "has_timing_cache"),
    [
        ("tensorrt", "8.6.0", False, True),
        ("tensorrt", "9.3.0", False, True),
        ("tensorrt", "10.13.2", True, True),
        ("tensorrt", "11.0.1", True, True),
        ("tensorrt_rtx", "1.2.0", True, False),
        ("tensorrt_rtx_bindings", "1.7.1.116", True, False),
    ],
)
def test_traits_of_versions(name: str, version: str, is_strongly_typed: bool, has_timing_cache: bool) -> None:
    api = TensorRTApi(module_of(name, version))
    assert api.is_strongly_typed is is_strongly_typed
    assert api.has_timing_cache is has_timing_cache


def test_names_tell_versions_and_products_apart() -> None:
    assert TensorRTApi(module_of("tensorrt", "10.1.0")).name == "tensorrt-10.1.0"
    assert TensorRTApi(module_of("tensorrt_rtx", "1.2.0")).name == "tensorrt-rtx-1.2.0"


# What a backend uses in every version, and what before and from 10 on.
ALWAYS = {
    "ICudaEngine": (
        "get_tensor_dtype get_tensor_mode get_tensor_name get_tensor_profile_shape num_io_tensors "
        "num_optimization_profiles"
    ),
    "IExecutionContext": (
        "active_optimization_profile execute_async_v3 get_tensor_shape set_input_shape set_optimization_profile_async "
        "set_tensor_address"
    ),
    "Runtime": "deserialize_cuda_engine",
}
WEAKLY_TYPED = {
    "ICudaEngine": "create_execution_context_without_device_memory device_memory_size",
    "IExecutionContext": "device_memory",
    "BuilderFlag": "FP16 INT8",
    "NetworkDefinitionCreationFlag": "EXPLICIT_BATCH",
    "PreviewFeature": "PROFILE_SHARING_0806",
}
STRONGLY_TYPED = {
    "ICudaEngine": "create_execution_context device_memory_size_v2",
    "IExecutionContext": "set_device_memory",
    "ExecutionContextAllocationStrategy": "USER_MANAGED",
    "NetworkDefinitionCreationFlag": "STRONGLY_TYPED",
    "IProgressMonitor": "phase_start step_complete phase_finish",
}


def test_the_installed_module_has_every_member_that_is_used() -> None:
    api = TensorRTApi.load()
    for wanted in (ALWAYS, STRONGLY_TYPED if api.is_strongly_typed else WEAKLY_TYPED):
        for owner, members in wanted.items():
            missing = [member for member in members.split() if not hasattr(getattr(api.module, owner), member)]
            assert not missing, owner


def test_errors_are_quoted_once_in_one_line() -> None:
    api = TensorRTApi.load()
    api.take_errors()
    api.logger.log(api.module.ILogger.Severity.WARNING, "only a warning")
    api.logger.log(api.module.ILogger.Severity.ERROR, "first\nline  two")
    api.logger.log(api.module.ILogger.Severity.INTERNAL_ERROR, "second")
    assert api.take_errors() == "first line two; second"
    assert api.take_errors() == "TensorRT gave no reason"


def test_without_tensorrt_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_api, "MODULES", ("tensorrt_that_is_not_there",))
    with pytest.raises(BackendUnavailable, match=r"it is not installed\): pip install"):
        TensorRTApi.load.__wrapped__(TensorRTApi)
