"""What a node has to show before it gets any work: Visage of the coordinator's version, and the same networks.

Runs on the node, where another Visage or none may be installed: this module travels there as it is, and imports
nothing of Visage before it knows the version.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Expected", "Finding", "inspect_node", "receive_model"]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the coordinator has.

    Attributes:
        version: of Visage.
        model_dir: where nodes look that name no folder by `VISAGE_MODEL_DIR`.
        models: the SHA-256 digests of the files that each network may be made from, by its name.
    """

    version: str
    model_dir: str
    models: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a node has.

    Attributes:
        problem: why it can't work, and what to do there; None where it can, but for `missing`.
        missing: networks that it lacks and may be sent.
        model_dir: where it keeps them.
        roots: see `visage.cluster.roots`, as its variable has it.
        host: its name for people.
    """

    problem: str | None
    missing: tuple[str, ...] = ()
    model_dir: str = ""
    roots: str = ""
    host: str = ""


def inspect_node(expected: Expected) -> Finding:
    """Look at the machine that this runs on. Never raises."""
    host = platform.node()
    try:
        version = importlib.import_module("visage").__version__
    except ImportError as error:
        remedy = f"install visage-video[cluster] {expected.version} in the environment of its ray start"
        return Finding(f"has no Visage ({error}): {remedy}", host=host)
    if version != expected.version:
        return Finding(
            f"has Visage {version}, and this is {expected.version}: install the same version there", host=host
        )
    model_dir = os.environ.get("VISAGE_MODEL_DIR") or expected.model_dir
    try:
        store = importlib.import_module("visage.models").ModelStore(Path(model_dir))
        missing = []
        for name, digests in expected.models.items():
            spec = store.spec(name)
            theirs = sorted(str(file.sha256) for file in spec.files)
            if theirs != sorted(digests):
                return Finding(f"has another network called {name} in its catalogue: make them the same", host=host)
            if not any(_digest(store.model_dir / file.name) == file.sha256 for file in spec.files):
                missing.append(name)
        model_dir = str(store.model_dir)
    except Exception as error:  # whatever is wrong there is for a person here
        return Finding(f"can't use its models in {model_dir}: {error}", host=host)
    return Finding(None, tuple(missing), model_dir, os.environ.get("VISAGE_ROOTS", ""), host)


def receive_model(model_dir: str, name: str, content: bytes, sha256: str) -> str | None:
    """Put a published network into the node's folder, whole or not at all. Returns what is wrong, or None."""
    if hashlib.sha256(content).hexdigest() != sha256:
        return f"received {name} damaged"
    try:
        write = importlib.import_module("visage.storage.atomic_write").atomic_write
        write(Path(model_dir) / name, content, mode=0o666)
    except OSError as error:
        return f"can't keep {name} in {model_dir} ({error}): set VISAGE_MODEL_DIR there to a folder it may write"
    return None


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
