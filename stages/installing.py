"""How to install what is missing: the command fits the way in which this copy was installed.

On the package index `visage` is another project's name; ours is `visage-video`.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["DISTRIBUTION", "install_command"]

DISTRIBUTION = "visage-video"
ROOT = Path(__file__).parents[1]
"""A checkout, or the folder that packages are installed into."""


def install_command(extra: str) -> str:
    """Return the command that adds an extra of pyproject.toml to this installation.

    A checkout is installed from its folder, and so is a copy installed from a folder that still exists; anything else
    comes from the package index.
    """
    if _is_project(ROOT):
        return f"pip install -e {_quoted(ROOT, extra)}"
    folder = _installed_from()
    if folder is not None:
        return f"pip install {_quoted(folder, extra)}"
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def _quoted(folder: Path, extra: str) -> str:
    try:
        is_here = folder == Path.cwd()
    except OSError:  # the working folder was removed
        is_here = False
    return f"'.[{extra}]'" if is_here else shlex.quote(f"{folder}[{extra}]")


def _is_project(folder: Path) -> bool:
    try:
        return f'name = "{DISTRIBUTION}"' in (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _installed_from() -> Path | None:
    """The folder that pip was given, by PEP 610's record."""
    from importlib import metadata  # noqa: PLC0415 - slow, and only a message needs it

    try:
        record = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
        address = urlsplit(record["url"])
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        return None
    folder = Path(unquote(address.path))
    return folder if address.scheme == "file" and _is_project(folder) else None
