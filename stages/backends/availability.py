"""Which of NVIDIA's software and hardware is present, in words for a person. Imports nothing that needs a driver.

The driver is asked through `libcuda.so.1` itself. That takes no memory on a card and makes no context, so the flags of
the context can still be set afterwards.
"""

from __future__ import annotations

import ctypes
import importlib.util
from dataclasses import dataclass
from importlib import metadata

from stages.backends.telemetry import import_onnxruntime
from stages.installing import install_command

__all__ = ["Availability", "Gpu", "list_gpus", "nvidia_status", "onnxruntime_status", "tensorrt_status"]

# By preference, as `TensorRTApi` imports them: module and the distributions that may bring it.
_TENSORRT = {
    "tensorrt": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-cu11"),
    "tensorrt_rtx": ("tensorrt-rtx", "tensorrt-rtx-cu13", "tensorrt-rtx-cu12"),
    "tensorrt_rtx_bindings": ("tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu12-bindings"),
}

_TURING = (7, 5)
# TensorRT for RTX 1.7 builds for these (its enum ComputeCapability) and refuses a data-centre card such as (9, 0).
_RTX_CARDS = {(7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)}
_CUDA_12 = 12000


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a library or device can be used, and if not, why.

    Attributes:
        ok: it can, as far as is known without loading it.
        detail: what was found, or what is missing.
        hint: what to do; empty if `ok`.
    """

    ok: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A card as the driver describes it.

    Attributes:
        ordinal: N in `cuda:N`.
        name: the vendor's.
        capability: compute capability, for example (9, 0).
        memory_bytes: total memory in bytes.
    """

    ordinal: int
    name: str
    capability: tuple[int, int]
    memory_bytes: int

    @property
    def arch(self) -> str:
        """The architecture as compilers name it, for example "sm_90"."""
        return f"sm_{self.capability[0]}{self.capability[1]}"

    def __str__(self) -> str:
        return f"cuda:{self.ordinal} {self.name} ({self.arch}, {self.memory_bytes / 2**30:.0f} GiB)"


class _Driver:
    """The few calls of the CUDA driver API that make no context. Raises OSError where the driver fails."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        self._call("cuInit", 0)

    def version(self) -> int:
        """The newest CUDA that the driver runs, for example 13000."""
        version = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(version))
        return version.value

    def gpus(self) -> list[Gpu]:
        count = ctypes.c_int()
        self._call("cuDeviceGetCount", ctypes.byref(count))
        return [self._gpu(ordinal) for ordinal in range(count.value)]

    def _gpu(self, ordinal: int) -> Gpu:
        device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(256)
        self._call("cuDeviceGet", ctypes.byref(device), ordinal)
        self._call("cuDeviceGetName", name, len(name), device)
        self._call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
        # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR (cuda.h)
        capability = self._attribute(75, device), self._attribute(76, device)
        return Gpu(ordinal, name.value.decode(errors="replace"), capability, memory.value)

    def _attribute(self, attribute: int, device: ctypes.c_int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
        return value.value

    def _call(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(status, ctypes.byref(text))
            raise OSError((text.value or b"unknown error").decode() + f" (CUDA error {status})")


def list_gpus() -> list[Gpu]:
    """Return all cards that this process may use; without a driver none, and nothing is raised."""
    try:
        return _Driver().gpus()
    except (OSError, AttributeError):
        return []


def nvidia_status(ordinal: int = 0) -> Availability:
    """Return whether a working driver and this card are present. Never raises."""
    try:
        driver = _Driver()
        version, gpus = driver.version(), driver.gpus()
    except (OSError, AttributeError) as exc:  # AttributeError: a stub of a library
        if "libcuda.so.1" in str(exc):
            return Availability(False, "no NVIDIA driver (libcuda.so.1 is missing)", "install one, or use --device cpu")
        return Availability(False, f"the NVIDIA driver fails: {exc}", "check nvidia-smi; a restart may help")
    if ordinal >= len(gpus):
        return Availability(False, f"there is no cuda:{ordinal}; {len(gpus)} GPU(s) found", "choose another --device")
    cuda = f"{version // 1000}.{version % 1000 // 10}"
    if version < _CUDA_12:
        return Availability(
            False, f"{gpus[ordinal]}, but its driver supports CUDA {cuda} at most", "install a driver from 525 on"
        )
    return Availability(True, f"{gpus[ordinal]}, driver for CUDA {cuda}")


def tensorrt_status(ordinal: int = 0) -> Availability:
    """Return whether TensorRT is installed and can run on this card. Loads neither TensorRT nor CUDA; never raises."""
    card = nvidia_status(ordinal)
    if not card.ok:
        return card
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.core") is None:
        return Availability(False, "CUDA for Python is not installed", install_command("tensorrt"))
    module = next((name for name in _TENSORRT if importlib.util.find_spec(name) is not None), None)
    if module is None:
        return Availability(False, f"TensorRT is not installed; {card.detail}", install_command("tensorrt"))
    version = _version_of(module)
    title = f"{'TensorRT' if module == 'tensorrt' else 'TensorRT for RTX'} {version or '(unknown version)'}"
    refusal = _refusal(module, version, list_gpus()[ordinal].capability)
    if refusal:
        return Availability(False, f"{title} does not run on {card.detail}", refusal)
    return Availability(True, f"{title} on {card.detail}")


def onnxruntime_status(ordinal: int = 0) -> Availability:
    """Return whether ONNX Runtime has its CUDA provider for this card.

    Loads ONNX Runtime, but not CUDA; never raises.
    """
    card = nvidia_status(ordinal)
    if not card.ok:
        return card
    try:
        providers = import_onnxruntime().get_available_providers()
    except ImportError:
        providers = []
    if "CUDAExecutionProvider" not in providers:
        return Availability(False, "ONNX Runtime has no CUDA provider", "pip install onnxruntime-gpu")
    return Availability(True, f"ONNX Runtime's CUDA provider on {card.detail}")


def _version_of(module: str) -> str:
    for distribution in _TENSORRT[module]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _refusal(module: str, version: str, capability: tuple[int, int]) -> str:
    """What to install instead, where this TensorRT does not support the card; else nothing."""
    if module != "tensorrt":
        return "" if capability in _RTX_CARDS else install_command("tensorrt")
    major, _, rest = version.partition(".")
    if not major.isdigit():
        return ""
    # TensorRT's support matrix: 10 dropped Pascal, 10.5 Volta.
    if capability < _TURING and int(major) >= 10:  # noqa: PLR2004 - a version
        return "pip install 'tensorrt==8.6.*' under Python 3.10, the last for this card"
    if capability >= (10, 0) and (int(major), int(rest.partition(".")[0] or 0)) < (10, 8):
        return "pip install 'tensorrt>=10.8', the first for this card"
    return ""
