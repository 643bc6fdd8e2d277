"""CUDA sources to machine code, with NVRTC: compiled on first use, then read from a folder.

A cached file is named by a digest of everything that decides its content: all sources of this folder, the options, the
architecture and NVRTC's version. It is written beside and renamed, so a crash or a second process leaves no half file.
Compiling needs no GPU.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_calls import CUDAError
from stages.errors import BackendError, BackendUnavailable
from stages.installing import install_command

try:
    from cuda.bindings import nvrtc
    from cuda.core import Kernel, ObjectCode, Program, ProgramOptions
except ImportError as missing:
    raise BackendUnavailable(f"CUDA for Python is not installed: {install_command('tensorrt')}") from missing

__all__ = ["SOURCES", "Kernel", "compile_cubin", "load_kernel"]

_FOLDER = Path(__file__).parent
SOURCES: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.cu")))
"""Names of the sources that `compile_cubin` takes."""


def compile_cubin(name: str, arch: str, defines: Mapping[str, str], *, cache_folder: Path | None = None) -> bytes:
    """Machine code of `<name>.cu`.

    Args:
        arch: for example "sm_90"; at least sm_75 with CUDA 13.
        defines: preprocessor macros.
        cache_folder: where compiled code is kept; made if it is not there. None compiles every time.

    Raises:
        BackendUnavailable: NVRTC is not installed.
        BackendError: the source does not compile for this architecture.
    """
    version = _nvrtc_version()
    if cache_folder is None:
        return _compile(name, arch, defines)
    path = cache_folder / f"{name}-{arch}-{_digest(version, arch, defines)}.cubin"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        code = _compile(name, arch, defines)
    cache_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache_folder, prefix=path.name, delete=False) as file:
        file.write(code)
    os.replace(file.name, path)
    return code


def load_kernel(
    device: CudaDevice, name: str, defines: Mapping[str, str], *, cache_folder: Path | None = None
) -> Kernel:
    """The kernel `name` of `<name>.cu`, ready to launch on a card that is current. Raises as `compile_cubin`."""
    code = compile_cubin(name, device.arch, defines, cache_folder=cache_folder)
    try:
        kernel = ObjectCode.from_cubin(code, name=name).get_kernel(name)
    except CUDAError as exc:
        raise BackendError(f"{name}.cu does not load on {device.name}; update the NVIDIA driver ({exc})") from exc
    device.preload(kernel)
    return kernel


def _compile(name: str, arch: str, defines: Mapping[str, str]) -> bytes:
    options = ProgramOptions(
        name=f"{name}.cu",
        arch=arch,
        std="c++17",
        include_path=str(_FOLDER),
        define_macro=list(defines.items()) or None,
        lineinfo=True,
    )
    source = (_FOLDER / f"{name}.cu").read_text(encoding="utf-8")
    try:
        program = Program(source, "c++", options)
        try:
            return bytes(program.compile("cubin").code)
        finally:
            program.close()
    except CUDAError as exc:
        raise BackendError(f"{name}.cu does not compile for {arch}: {exc}") from exc


def _digest(version: str, arch: str, defines: Mapping[str, str]) -> str:
    digest = hashlib.sha256(f"{version} {arch} {sorted(defines.items())}".encode())
    for path in sorted(_FOLDER.glob("*.cu*")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:24]


def _nvrtc_version() -> str:
    try:
        _, major, minor = nvrtc.nvrtcVersion()
    except RuntimeError as exc:
        raise BackendUnavailable(f"NVRTC is missing ({exc}): pip install nvidia-cuda-nvrtc") from exc
    return f"{major}.{minor}"
