"""How the daemon listens and what callers may do: the section `web` of the service's configuration."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from visage.config.paths import NamedPath
from visage.home import lacks_home

__all__ = ["PATH_PREFIX", "AddRules", "WebSettings", "is_loopback"]

PATH_PREFIX = r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+"
"""A path that the page may be served under, such as `/visage`."""


class AddRules(BaseModel):
    """Which sources a caller of the API may add. Empty lists allow nothing; what stands in the file is not affected.

    A host is named exactly or as `*.example.org`; an address matches a network. A name is never looked up to see which
    network it is in: it could mean another machine by the time it is opened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schemes: tuple[str, ...] = Field(
        ("rtsp", "rtsps"),
        description="Schemes that may be opened; of http and https every redirect, playlist and key is checked, too.",
    )
    hosts: tuple[str, ...] = Field((), description="Names of hosts, or `*.domain`.")
    networks: tuple[str, ...] = Field((), description="Networks of addresses, for example 192.168.1.0/24.")
    ports: tuple[int, ...] = Field((554, 8554, 322), description="Ports that may be connected to.")
    folders: tuple[NamedPath, ...] = Field((), description="Folders below which files may be read.")

    @field_validator("networks")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ipaddress.ip_network(network)
        return networks


class WebSettings(BaseModel):
    """Where the API and the page are served, and limits in seconds, bytes, pixels and requests."""

    # Defaults are validated for the home folder's sake.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    enabled: bool = Field(True, description="Serve the API and the page.")
    host: str = Field("127.0.0.1", description="Address to listen on; beyond loopback only with tokens.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    allowed_hosts: tuple[str, ...] = Field((), description="Host names that callers may use, besides the address.")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses or networks of reverse proxies whose X-Forwarded-* headers are believed."
    )
    root_path: str = Field(
        "",
        pattern=f"^({PATH_PREFIX})?$",
        description="Path that a reverse proxy serves the page under, for example /visage.",
    )
    token_file: NamedPath = Field(
        Path("~/.visage/tokens.json"), description="File in which `visage token` keeps hashed tokens."
    )
    audit_file: NamedPath = Field(
        Path("~/.visage/audit.jsonl"), description="File that records who changed or viewed what."
    )
    add_source: AddRules = Field(default_factory=AddRules, description="Sources that callers may add.")
    requests_per_second: float = Field(40.0, gt=0, description="Sustained request rate per client.")
    burst: int = Field(300, ge=1, description="Maximum number of requests of a client at once.")
    upload_bytes: int = Field(16 << 20, ge=1024, description="Largest request body, in bytes.")
    idle_seconds: float = Field(
        15.0, gt=0, le=600, description="Longest wait for a request's head, and for more of its body."
    )
    idle_connections: int = Field(
        512, ge=8, description="Maximum number of connections that wait for a request; the oldest is closed."
    )
    idle_per_client: int = Field(64, ge=4, description="The same maximum for the address of one client.")
    viewers: int = Field(32, ge=1, description="Maximum number of live views, and of event streams.")
    live_fps: float = Field(8.0, gt=0, le=30, description="Maximum pictures per second of a live view.")
    live_width: int = Field(640, ge=160, le=1920, description="Width of live pictures in pixels.")

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ipaddress.ip_network(proxy)
        return proxies

    @model_validator(mode="after")
    def _check_home(self) -> WebSettings:
        for name in ("token_file", "audit_file"):
            if self.enabled and lacks_home(getattr(self, name)):
                raise ValueError(f"{name}: this user has no home folder; set HOME, or name the path without ~")
        return self


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address: `localhost` or a loopback IP address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
