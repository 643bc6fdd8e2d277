"""Which direct dependencies have wheels for Pythons that are not to be had here: nothing is run, only resolved.

`make next` prints the table of docs/install.md. Each dependency is asked for alone, as one without wheels would hide
the others.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
EXTRAS = ("show", "qdrant", "encryption", "serve", "onnxruntime-gpu")
ABIS = {"3.14": "cp314", "3.14t": "cp314t"}
SECONDS = 300


def requirements(text: str) -> list[str]:
    """The requirements of the project and of the extras that people install, without their markers."""
    lists = re.findall(rf"^(?:dependencies|{'|'.join(EXTRAS)}) = \[(.*?)\]\n", text, re.MULTILINE | re.DOTALL)
    words = [word for body in lists for word in re.findall(r'"([^"]+)"', body)]
    return sorted({word.split(";")[0].strip() for word in words if "tomli" not in word})


def version_for(requirement: str, abi: str) -> str:
    """The version that has a wheel for the ABI, or "none"."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", "3.14", "--implementation", "cp"]
        command += [
            "--abi",
            abi,
            "--abi",
            "abi3" if abi == "cp314" else abi,
            "--abi",
            "none",
            "-d",
            folder,
            requirement,
        ]
        ran = subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)
        wheels = list(Path(folder).glob("*.whl"))
        return wheels[0].name.split("-")[1] if ran.returncode == 0 and wheels else "none"


def main() -> None:
    """Print the table."""
    names = requirements(PYPROJECT.read_text())
    print("| requirement | " + " | ".join(ABIS) + " |\n" + "|---" * (len(ABIS) + 1) + "|")
    with ThreadPoolExecutor(4) as pool:
        columns = [list(pool.map(version_for, names, [abi] * len(names))) for abi in ABIS.values()]
    for name, *versions in zip(names, *columns, strict=True):
        print(f"| {name} | " + " | ".join(versions) + " |")


if __name__ == "__main__":
    main()
