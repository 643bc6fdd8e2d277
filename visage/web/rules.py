"""Which paths and addresses a caller may have opened: none, unless a rule of `web.add_source` allows it.

What comes back is what is to be opened: for a file its real path, links resolved, so that a link or `..` leads nowhere
else. Host names match by name only and addresses by network only; a name is never resolved here, because it could be
resolved differently when it is opened. Numbers that some resolvers take for addresses (`2130706433`, `0x7f.1`) are
refused.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from stages.addresses import with_lower_scheme
from visage.config.web import AddRules
from visage.web.errors import AddressRefused

__all__ = ["check_address"]

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
UNSAFE = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
HOST_NAME = re.compile(r"(?=.*[g-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?", re.IGNORECASE)
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935, "rtmps": 443}
# The first answers to a request for a machine's own credentials on several clouds.
NEVER = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128")))


def check_address(uri: str, rules: AddRules) -> str:
    """The path or address to open. Raises AddressRefused; its text does not repeat the address."""
    if ADDRESS.match(uri):
        return _check_stream(uri, rules)
    return str(_check_file(uri, rules))


def _check_stream(uri: str, rules: AddRules) -> str:
    if UNSAFE.search(uri):
        raise AddressRefused("the address has a space, a backslash, a control character or half of a surrogate pair")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:  # its text may show the password
        raise AddressRefused("this is not an address") from None
    scheme = parts.scheme.lower()
    if scheme not in rules.schemes or not uri[len(scheme) :].startswith("://"):
        allowed = ", ".join(rules.schemes) or "none"
        raise AddressRefused(f"{scheme}: is not among the schemes of web.add_source.schemes ({allowed})")
    _check_host(parts, rules)
    port = port if port is not None else DEFAULT_PORTS.get(scheme)
    if port is None or port not in rules.ports:
        raise AddressRefused(f"port {port} is not among web.add_source.ports")
    return with_lower_scheme(uri)


def _check_host(parts: SplitResult, rules: AddRules) -> None:
    host = (parts.hostname or "").lower()
    # Where a parser and FFmpeg could disagree on which part is the host, nothing is opened.
    if parts.netloc.count("@") > 1 or "%" in host:
        raise AddressRefused("user and password may hold no @; write %40")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".")
        if HOST_NAME.fullmatch(host) and _is_a_name(name) and any(_matches(name, pattern) for pattern in rules.hosts):
            return
        raise AddressRefused("this host is not among web.add_source.hosts") from None
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    networks = [ipaddress.ip_network(network) for network in rules.networks]
    if not any(address in network for network in networks) or any(address in network for network in NEVER):
        raise AddressRefused("this address is in none of web.add_source.networks")


def _is_a_name(host: str) -> bool:
    """Not a number in disguise: the last label of a host name has a letter and is not hexadecimal."""
    last = host.rpartition(".")[2]
    return not (last.isdigit() or last.startswith("0x"))


def _matches(name: str, pattern: str) -> bool:
    pattern = pattern.lower()
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return name == pattern


def _check_file(path: str, rules: AddRules) -> Path:
    if "\x00" in path or not path.startswith("/"):
        raise AddressRefused("give a file by its absolute path")
    try:
        real = Path(path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # the last for text that no file name can hold
        real = None
    # The same answer for what is absent and for what is elsewhere: it tells nothing of the disk.
    if real is None or not any(real.is_relative_to(folder.resolve()) for folder in rules.folders):
        raise AddressRefused("there is no such file below the folders of web.add_source.folders")
    return real
