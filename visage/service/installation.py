"""The id of an installation: made once, kept in the state folder, different on every machine.

It distinguishes daemons that share a broker: their MQTT client ids, status topics and Home Assistant entities. A copy
of a state folder is the same installation; two daemons must not run from copies of one folder.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from visage.storage.atomic_write import atomic_write

__all__ = ["installation_id"]

FILE = "installation-id"
ID = re.compile(r"[0-9a-f]{12}")


def installation_id(state_dir: Path) -> str:
    """Return the id, 12 hexadecimal digits; a missing or damaged file is replaced. Raises OSError."""
    path = state_dir / FILE
    try:
        kept = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        kept = ""
    if ID.fullmatch(kept):
        return kept
    made = secrets.token_hex(6)
    atomic_write(path, f"{made}\n".encode(), mode=0o640)
    return made
