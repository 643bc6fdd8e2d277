"""A real server on a free port of 127.0.0.1, on a thread with an event loop of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
import numpy as np

from stages.frames import Faces
from stages.sink.preview import Preview
from tests.unit.visage.web.doubles import MemoryPeople, MemoryService
from visage.web import WebParts, WebServer, WebSettings
from visage.web.context import Context
from visage.web.live import LiveHub
from visage.web.records import SourceRecord
from visage.web.sessions import sign_in_link
from visage.web.tokens import Role, TokenStore

__all__ = ["Running", "local_headers", "preview", "running", "serving"]

START_SECONDS = 10.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    server: WebServer
    service: MemoryService
    people: MemoryPeople
    live: LiveHub
    tokens: TokenStore
    thread: threading.Thread

    @property
    def url(self) -> str:
        return self.server.url.rstrip("/")

    @property
    def context(self) -> Context:
        return self.server.context

    def local(self) -> httpx.Client:
        """A client of the user who runs the daemon: with the local token."""
        return httpx.Client(base_url=self.url, headers=local_headers(self.server), timeout=10)

    def link(self) -> str:
        """An address that signs a browser in as the user who runs the daemon."""
        authenticator = self.context.authenticator
        return sign_in_link(self.server.url, authenticator.sessions.invite(authenticator.local.token.token_id))

    def client(self, role: Role | None = None) -> httpx.Client:
        """A client without a credential; with a role, one that has a new token of that role."""
        headers = {}
        if role is not None:
            headers["authorization"] = f"Bearer {self.tokens.create(f'{role.label}-{time.monotonic_ns()}', role)}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=10)

    def stop(self) -> float:
        """Stop it; returns the seconds it took."""
        began = time.monotonic()
        self.server.stop()
        self.thread.join(STOP_SECONDS)
        assert not self.thread.is_alive(), "the server did not stop"
        return time.monotonic() - began


@contextlib.contextmanager
def running(
    folder: Path, *, sources: tuple[SourceRecord, ...] | None = None, with_people: bool = True, **settings: object
) -> Iterator[Running]:
    """Serve with everything of the daemon in memory."""
    given = {"port": 0, "token_file": folder / "tokens.json", "audit_file": folder / "audit.jsonl", **settings}
    web = WebSettings.model_validate(given)
    if sources is None:
        sources = (SourceRecord("door", "camera", "running", address="rtsp://***@192.168.1.20/main", fps=10.0),)
    service, people, live = MemoryService(sources), MemoryPeople(), LiveHub(web)
    server = WebServer(
        web,
        WebParts(service=service, live=live, people=people if with_people else None, local_file=folder / "local.json"),
    )
    with serving(server) as thread:
        yield Running(server, service, people, live, TokenStore(web.token_file), thread)


def local_headers(server: WebServer) -> dict[str, str]:
    """What the user who runs the daemon sends, as `visage open` does."""
    return {"authorization": f"Bearer {server.local.token}"}


@contextlib.contextmanager
def serving(server: WebServer) -> Iterator[threading.Thread]:
    """Run the server on a thread of its own, and stop it."""
    thread = threading.Thread(target=lambda: anyio.run(server.run), name="web")
    thread.start()
    try:
        # The socket listens already: this waits.
        assert httpx.get(f"{server.url}healthz", timeout=START_SECONDS).text == "ok\n"
        yield thread
    finally:
        server.stop()
        thread.join(STOP_SECONDS)
        assert not thread.is_alive(), "the server did not stop"


def preview(source_id: str = "door", index: int = 0, faces: Faces | None = None) -> Preview:
    """A small picture of one shade, by default without faces."""
    image = np.full((48, 64, 3), index * 16 % 256, np.uint8)
    return Preview(source_id, image, faces or Faces.none(), index, index / 10, 0.0)
