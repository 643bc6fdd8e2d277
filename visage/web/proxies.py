"""Reverse proxies: their headers are trusted only if the proxy's address is in `web.trusted_proxies`.

A trusted proxy names the client (`X-Forwarded-For`, read from the right up to the first address that is not a trusted
proxy), the scheme, the host and the path prefix. From everyone else these headers mean nothing. None of this gives
access: it decides whose rate is counted, what the audit log says, and how addresses are written. Plain ASGI.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from visage.config.web import PATH_PREFIX

__all__ = ["ProxyHeaders", "path_within"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PREFIX = re.compile(PATH_PREFIX)
HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


class ProxyHeaders:
    """Outermost ASGI middleware: everything inside sees the client's own address and the full path."""

    def __init__(self, app: ASGIApp, *, trusted_proxies: Iterable[str], root_path: str) -> None:
        self._app = app
        self._networks = tuple(ipaddress.ip_network(network) for network in trusted_proxies)
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = self._seen_by_client(scope)
            root_path = scope["root_path"]
            if root_path and scope["path"] == root_path:  # the page's addresses are relative to a folder
                await RedirectResponse(f"{root_path}/")(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _seen_by_client(self, scope: Scope) -> Scope:
        scope, root_path = dict(scope), self._root_path
        peer = _address(scope["client"][0]) if scope.get("client") else None
        if peer is not None and self._trusts(peer):
            headers = Headers(scope=scope)
            scope["client"] = (str(self._client(peer, headers.getlist("x-forwarded-for"))), 0)
            proto = _last(headers, "x-forwarded-proto").lower()
            if proto in ("http", "https"):
                scope["scheme"] = proto
            host = _last(headers, "x-forwarded-host")
            if HOST.fullmatch(host):
                others = [(name, value) for name, value in scope["headers"] if name != b"host"]
                scope["headers"] = [(b"host", host.encode("ascii")), *others]
            prefix = _last(headers, "x-forwarded-prefix").rstrip("/")
            if PREFIX.fullmatch(prefix):
                root_path = prefix
        # Proxies pass the prefix on or cut it off; what follows sees it in either case, as ASGI has it.
        path = scope["path"]
        is_whole = not root_path or path == root_path or path.startswith(f"{root_path}/")
        scope["root_path"], scope["path"] = root_path, path if is_whole else root_path + path
        return scope

    def _client(self, peer: Address, forwarded: list[str]) -> Address:
        client = peer
        for text in reversed([part.strip() for line in forwarded for part in line.split(",")]):
            address = _address(text)
            if address is None:  # the rest was written by a stranger
                break
            client = address
            if not self._trusts(address):
                break
        return client

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def path_within(scope: Scope) -> str:
    """Return a request's path without the prefix under which the daemon is served."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _last(headers: Headers, name: str) -> str:
    """What the nearest proxy wrote; empty for nothing."""
    lines = headers.getlist(name)
    return lines[-1].rpartition(",")[2].strip() if lines else ""


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
