"""What this machine offers: processors, memory, GPUs, libraries. Reads, never configures.

A probe that fails counts as an absence.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from stages.backends.availability import Gpu, list_gpus

__all__ = ["LIBRARIES", "Machine", "describe_machine", "library_versions"]

LIBRARIES = (
    *("av", "numpy", "opencv-python-headless", "onnx", "onnxruntime", "onnxruntime-gpu", "openvino", "h5py", "pyarrow"),
    *("tensorrt", "tensorrt-rtx-cu13-bindings", "cuda-core", "cuda-bindings", "pygame-ce"),
)
# Instruction sets that change how fast networks run, as /proc/cpuinfo calls them.
CPU_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8")
# Control groups, version 2 then 1: a container's share of the machine.
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as this process sees it; memory is in bytes.

    Attributes:
        cores: processors in the machine.
        usable_cores: how many of them this process may use: affinity and the container's quota.
        memory_bytes: of the machine, or the container's limit where that is lower.
        cpu_features: the ones that matter to networks, from `CPU_FEATURES`.
        gpus: cards that a working NVIDIA driver lends to this process.
        libraries: versions by distribution name; those not installed are absent.
    """

    system: str
    python: str
    cpu: str
    cores: int
    usable_cores: float
    memory_bytes: int
    cpu_features: tuple[str, ...]
    gpus: tuple[Gpu, ...]
    libraries: dict[str, str]


def describe_machine() -> Machine:
    """Return what this machine offers. Takes about 0.1 seconds; a probe that fails raises nothing."""
    cpu, flags = _cpu_info()
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        cpu=cpu,
        cores=os.cpu_count() or 1,
        usable_cores=_usable_cores(),
        memory_bytes=_memory_bytes(),
        cpu_features=tuple(name for name in CPU_FEATURES if name in flags),
        gpus=tuple(list_gpus()),
        libraries=library_versions(),
    )


def _cpu_info() -> tuple[str, frozenset[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    model = fields.get("model name") or fields.get("Model") or platform.machine()
    return model, frozenset((fields.get("flags") or fields.get("Features") or "").split())


def _usable_cores() -> float:
    cores = float(len(os.sched_getaffinity(0)))
    quota, _, period = _read(CPU_LIMIT).partition(" ")
    return min(cores, int(quota) / int(period)) if quota.isdigit() and period.isdigit() else cores


def _memory_bytes() -> int:
    limits = [int(text) for text in map(_read, MEMORY_LIMITS) if text.isdigit()]
    return min([psutil.virtual_memory().total, *limits])


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def library_versions() -> dict[str, str]:
    """Return the versions of the installed libraries in `LIBRARIES`, by distribution name."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
