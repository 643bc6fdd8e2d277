"""What the routes share: the ports, and the web's own parts, made once for an app."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from prometheus_client import CollectorRegistry

from visage.config.web import WebSettings
from visage.web.audit import AuditLog
from visage.web.auth import Authenticator
from visage.web.errors import Unavailable
from visage.web.feed import EventFeed
from visage.web.history import Throughput
from visage.web.live import LiveHub
from visage.web.ports import PeoplePort, ServicePort

__all__ = ["Context", "WebParts", "context_of"]


@dataclass(frozen=True, slots=True)
class Context:
    """An app's parts."""

    settings: WebSettings
    parts: WebParts
    authenticator: Authenticator
    audit: AuditLog
    feed: EventFeed
    throughput: Throughput

    @property
    def service(self) -> ServicePort:
        return self.parts.service

    @property
    def live(self) -> LiveHub:
        return self.parts.live

    @property
    def registry(self) -> CollectorRegistry | None:
        return self.parts.registry

    @property
    def has_gallery(self) -> bool:
        """Whether `people` is there to be asked."""
        return self.parts.people is not None

    @property
    def people(self) -> PeoplePort:
        """Raises Unavailable for a daemon without a gallery."""
        if self.parts.people is None:
            raise Unavailable("this daemon has no gallery; set `analysis.gallery` in its configuration")
        return self.parts.people

    def remembered(self) -> EventFeed:
        """The feed, for who asks of the past; whoever was forgotten meanwhile, by any program, is no part of it."""
        if self.has_gallery:
            self.feed.forget_others(self.people.person_ids())
        return self.feed


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the daemon gives.

    Attributes:
        people: None for a daemon without a gallery.
        registry: what `/metrics` shows; None for nothing.
        local_file: where the local token is kept; None keeps it in memory.
    """

    service: ServicePort
    live: LiveHub
    people: PeoplePort | None = None
    registry: CollectorRegistry | None = None
    local_file: Path | None = None


def context_of(request: Request) -> Context:
    """The parts of the app that a request came to."""
    context: Context = request.app.state.context
    return context
