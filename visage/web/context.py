"""What the routes share: the ports and the web's own parts, created once for each app."""

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
    """The parts of an app. The server closes them."""

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
        """Whether there is a gallery; without one `people` raises Unavailable."""
        return self.parts.people is not None

    @property
    def people(self) -> PeoplePort:
        """Raises Unavailable for a daemon without a gallery."""
        if self.parts.people is None:
            raise Unavailable("this daemon has no gallery; set `analysis.gallery` in its configuration")
        return self.parts.people

    def remembered(self) -> EventFeed:
        """Return the feed for a query of past events, without the people whom any program has forgotten meanwhile.

        Safe from any thread.
        """
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
    """Return the parts of the app that received the request."""
    context: Context = request.app.state.context
    return context
