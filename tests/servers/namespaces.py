"""Network namespaces of this machine, joined by a bridge: machines whose cable can be pulled. Needs root and `ip`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence

__all__ = ["Namespaces", "namespaces_are_allowed"]

BRIDGE = "vr-bridge"
SUBNET = "10.213.77"


def namespaces_are_allowed() -> bool:
    """Whether this process may make them."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    made = subprocess.run(["ip", "netns", "add", "vr-probe"], capture_output=True, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "delete", "vr-probe"], capture_output=True, check=False)
    return made


class Namespaces:
    """One for each name while the `with` block runs; this process is at `host`."""

    host = f"{SUBNET}.1"

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def __enter__(self) -> Namespaces:
        self._remove()
        try:
            _ip("link", "add", BRIDGE, "type", "bridge")
            _ip("addr", "add", f"{self.host}/24", "dev", BRIDGE)
            _ip("link", "set", BRIDGE, "up")
            for name in self._names:
                space = _space(name)
                _ip("netns", "add", space)
                _ip("link", "add", _cable(name), "type", "veth", "peer", "name", "eth0", "netns", space)
                _ip("link", "set", _cable(name), "master", BRIDGE, "up")
                _ip("-n", space, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
                _ip("-n", space, "link", "set", "eth0", "up")
                _ip("-n", space, "link", "set", "lo", "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def address(self, name: str) -> str:
        """Return the address of a namespace."""
        return f"{SUBNET}.{10 + self._names.index(name)}"

    @staticmethod
    def inside(name: str) -> list[str]:
        """Return what a command begins with that is to run in a namespace."""
        return ["ip", "netns", "exec", _space(name)]

    @staticmethod
    def cut(name: str) -> None:
        """Pull the cable of a namespace."""
        _ip("link", "set", _cable(name), "down")

    @staticmethod
    def mend(name: str) -> None:
        """Put it back."""
        _ip("link", "set", _cable(name), "up")

    def _remove(self) -> None:
        for name in self._names:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", _space(name))
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("link", "delete", _cable(name))
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "delete", BRIDGE)


def _space(name: str) -> str:
    return f"vr-{name}"


def _cable(name: str) -> str:
    return f"vr-{name}-host"[:15]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)
