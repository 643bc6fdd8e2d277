"""What runs networks. Every module needs its own library, so none is imported before it is chosen."""

from __future__ import annotations

from stages.backends.base import Backend, HostTensor

__all__ = ["Backend", "HostTensor"]
