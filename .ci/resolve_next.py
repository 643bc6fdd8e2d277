"""Which direct dependencies have wheels for Pythons that are not to be had here: nothing is run, only resolved.

`make next` prints the table of docs/install.md. Each dependency is asked for alone, as one without wheels would hide
the others.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
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
    """The version that has a wheel for the ABI, or "none"; its metadata alone is fetched."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--dry-run",
        "--no-deps",
    ]
    command += ["--ignore-installed", "--target", str(PYPROJECT.parent / ".venv" / "next"), "--only-binary=:all:"]
    command += ["--python-version", "3.14", "--implementation", "cp", "--abi", abi, "--report", "-", requirement]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if ran.returncode:
        if "No matching distribution" in ran.stderr:
            return "none"
        raise RuntimeError(f"{requirement}: {ran.stderr.strip().splitlines()[-1]}")
    return str(json.loads(ran.stdout)["install"][0]["metadata"]["version"])


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
