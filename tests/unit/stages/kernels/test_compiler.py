"""Every kernel compiles for every architecture in use, without a GPU; compiled code is kept whole or not at all."""

from __future__ import annotations

import ctypes
import importlib.metadata
from pathlib import Path

import pytest

from stages.detect.heads.device.device_records import FIRST_RECORDS
from stages.errors import BackendError
from stages.imaging.device.tensor import UINT8_BGR, TensorFormat
from stages.kernels import compiler
from stages.kernels.compiler import SOURCES, compile_cubin

# Turing to Blackwell; CUDA 13 has dropped what is older.
ARCHITECTURES = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]
FORMATS = {
    "uint8": UINT8_BGR,
    "float16": TensorFormat("float16", is_rgb=True, mean=(127.5, 127.5, 127.5), gain=(1 / 128, 1 / 128, 1 / 128)),
    "float32": TensorFormat("float32"),
}
HEAD = {"FIRST_RECORDS": str(FIRST_RECORDS)}
BUILDS = [(name, HEAD) for name in SOURCES if name.endswith("_head")] + [
    (name, form.defines()) for name in ("letterbox", "crop") for form in FORMATS.values()
]
BUILDS += [(name, {}) for name in ("patches", "thumbnails")]
ELF = b"\x7fELF"


def test_no_source_is_left_out() -> None:
    assert {name for name, _ in BUILDS} == set(SOURCES)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_kernel_compiles(arch: str) -> None:
    for name, defines in BUILDS:
        assert compile_cubin(name, arch, defines).startswith(ELF), (name, defines)


def test_code_is_compiled_once_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "new" / "kernels"
    code = compile_cubin("crop", "sm_90", UINT8_BGR.defines(), cache_folder=folder)
    monkeypatch.setattr(compiler, "Program", None)  # compiling again would fail
    assert compile_cubin("crop", "sm_90", UINT8_BGR.defines(), cache_folder=folder) == code
    (file,) = folder.iterdir()
    assert file.read_bytes() == code


def test_each_architecture_and_format_has_a_file_of_its_own(tmp_path: Path) -> None:
    for arch in ("sm_80", "sm_90"):
        for form in FORMATS.values():
            compile_cubin("crop", arch, form.defines(), cache_folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 6


def test_a_source_that_does_not_compile_is_named_with_the_architecture(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"^crop\.cu does not compile for sm_90"):
        compile_cubin("crop", "sm_90", {"TENSOR_UINT8": "1", "Picture": "?"}, cache_folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def nvrtc_12() -> ctypes.CDLL:
    """CUDA 12's compiler, the last that knows Pascal cards."""
    try:
        files = importlib.metadata.files("nvidia-cuda-nvrtc-cu12") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("CUDA 12's NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12")
    (library,) = (file for file in files if file.name == "libnvrtc.so.12")
    return ctypes.CDLL(str(library.locate()))


def test_every_kernel_compiles_for_pascal(nvrtc_12: ctypes.CDLL) -> None:
    folder = Path(compiler.__file__).parent
    for name, defines in BUILDS:
        program = ctypes.c_void_p()
        source = (folder / f"{name}.cu").read_bytes()
        assert nvrtc_12.nvrtcCreateProgram(ctypes.byref(program), source, f"{name}.cu".encode(), 0, None, None) == 0
        texts = ["-arch=sm_61", "-std=c++17", f"-I{folder}", *(f"-D{key}={value}" for key, value in defines.items())]
        options = (ctypes.c_char_p * len(texts))(*(text.encode() for text in texts))
        assert nvrtc_12.nvrtcCompileProgram(program, len(texts), options) == 0, (name, defines)
        assert nvrtc_12.nvrtcDestroyProgram(ctypes.byref(program)) == 0
