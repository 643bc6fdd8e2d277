"""Where each machine has a folder that all of them know by one name.

`VISAGE_ROOTS=archive=/mnt/archive,out=/data/out` in the environment of a node says where it has what the coordinator
may have elsewhere. A path below one of the coordinator's roots is sent as it is, with the coordinator's roots, and
translated where it is used; a path below none is the same everywhere, as on a shared mount.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.addresses import is_address
from visage.cluster.errors import NodeRefused

__all__ = ["ROOTS_VARIABLE", "RootMap", "parse_roots"]

ROOTS_VARIABLE = "VISAGE_ROOTS"


def parse_roots(text: str) -> dict[str, Path]:
    """The roots that a machine's variable names. Raises ValueError, which says what is wrong with it."""
    roots: dict[str, Path] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, separator, path = part.partition("=")
        if not separator or not name.strip() or not os.path.isabs(path.strip()):
            raise ValueError(f"{ROOTS_VARIABLE}: {part!r} is not of the form name=/absolute/path")
        if name.strip() in roots:
            raise ValueError(f"{ROOTS_VARIABLE}: the root {name.strip()!r} is named twice")
        roots[name.strip()] = Path(os.path.normpath(path.strip()))
    return roots


@dataclass(frozen=True, slots=True)
class RootMap:
    """From the coordinator's paths to those of one node.

    Attributes:
        node: for messages.
        theirs: the coordinator's roots.
        ours: the node's.
    """

    node: str
    theirs: Mapping[str, Path]
    ours: Mapping[str, Path]

    def local(self, path: Path) -> Path:
        """Where this node has a path of the coordinator's. Raises NodeRefused where it lacks the root."""
        absolute = Path(os.path.abspath(path))
        below = [(name, root) for name, root in self.theirs.items() if absolute.is_relative_to(root)]
        if not below:
            return absolute
        name, root = max(below, key=lambda pair: len(pair[1].parts))
        here = self.ours.get(name)
        if here is None:
            raise NodeRefused(
                f"node {self.node} has no root {name!r}, which {absolute} lies in: set "
                f"{ROOTS_VARIABLE}={name}=/its/path in the environment of its ray start"
            )
        if not here.is_dir():
            raise NodeRefused(f"node {self.node} has the root {name!r} at {here}, which is not there: mount it")
        return here / absolute.relative_to(root)

    def local_uri(self, uri: str) -> str:
        """The same for a source's address; those of servers are the same everywhere."""
        return uri if is_address(uri) else str(self.local(Path(uri)))
