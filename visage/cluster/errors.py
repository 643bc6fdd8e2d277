"""What goes wrong between machines.

ClusterError
├── ClusterUnreachable (also ConnectionError)   nothing answers at that address, or it lets nobody in
├── ClusterMismatch                             it answers, and is of another version
├── NodeRefused                                 one node can't do the work; says which, and what to do there
└── RayMissing (also ImportError)               the extra `cluster` is not installed
"""

from __future__ import annotations

__all__ = ["ClusterError", "ClusterMismatch", "ClusterUnreachable", "NodeRefused", "RayMissing"]


class ClusterError(RuntimeError):
    """Base of all errors raised by a cluster; its text names the node, where there is one, and the remedy."""


class ClusterUnreachable(ClusterError, ConnectionError):
    """Raised where no cluster answers at an address within the seconds that Ray is given."""


class ClusterMismatch(ClusterError):
    """Raised where a cluster runs another version of Ray or of Python."""


class NodeRefused(ClusterError):
    """Raised where a node can't do the work that others can."""


class RayMissing(ClusterError, ImportError):
    """Raised where Ray is needed and not installed."""
