"""The web server in the daemon's event loop.

It installs no signal handlers: the daemon owns signals and calls `stop`, which ends live views and event streams at
once and lets other requests finish for up to three seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import cast

import anyio
import anyio.to_thread
import uvicorn
from pydantic import JsonValue

from visage.config.web import WebSettings
from visage.web.app import create_app
from visage.web.connections import Connection, WaitingConnections
from visage.web.context import Context, WebParts
from visage.web.errors import BindRefused, LocalAccessError, WebError
from visage.web.history import SAMPLE_SECONDS
from visage.web.sessions import sign_in_link
from visage.web.tokens import check_listening

__all__ = ["WebServer"]

FINISH_SECONDS = 3
BACKLOG = 128  # taken in one go: few enough for a process that may open 1,024 files

logger = logging.getLogger(__name__)


class WebServer:
    """Listens from construction, so that a port in use or an open address is reported at once.

    Raises BindRefused, LocalAccessError or TokenStoreError; `run` closes the socket.
    """

    def __init__(self, settings: WebSettings, parts: WebParts) -> None:
        """Raises BindRefused, LocalAccessError, TokenStoreError."""
        check_listening(settings)
        self._parts = parts
        self._app = create_app(settings, parts)
        self._socket = _listen(settings.host, settings.port)
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"http://{name}:{self._socket.getsockname()[1]}{settings.root_path}/"
        try:
            self.local = self.context.authenticator.local.publish(self.url)
        except LocalAccessError:
            self._socket.close()
            raise
        self.waiting = WaitingConnections(
            seconds=settings.idle_seconds, most=settings.idle_connections, most_per_client=settings.idle_per_client
        )
        self._server = _Server(
            uvicorn.Config(
                self._app,
                http=cast("type[asyncio.Protocol]", functools.partial(Connection, waiting=self.waiting)),
                ws="none",
                backlog=BACKLOG,
                log_config=None,
                log_level="critical",  # the app tells its own errors, and callers' nonsense is not worth a line
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=FINISH_SECONDS,
                proxy_headers=False,
            )
        )

    @property
    def context(self) -> Context:
        """The parts of the app that this server runs."""
        context: Context = self._app.state.context
        return context

    async def run(self) -> None:
        """Serve until `stop` or cancellation, then close the socket. To be run once, in the daemon's event loop."""
        self._say_where()
        unsubscribe = self._parts.service.subscribe(self.context.feed.publish)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._sample)
                await self._server.serve(sockets=[self._socket])
                group.cancel_scope.cancel()
        finally:
            unsubscribe()
            self.stop()
            self._socket.close()

    def stop(self) -> None:
        """End open streams and accept no more requests. Safe from any thread, and to call more than once."""
        self.context.feed.close()
        self._parts.live.close()
        self._server.should_exit = True

    def _say_where(self) -> None:
        """Print the page's address, with a link that signs in once where a person is reading."""
        authenticator = self.context.authenticator
        if sys.stderr.isatty():
            code = authenticator.sessions.invite(authenticator.local.token.token_id)
            logger.info("the page is at %s", sign_in_link(self.url, code))
        elif authenticator.local.path is None:
            logger.info("the page is at %s", self.url)
        else:  # a log that others may read has no link
            folder = authenticator.local.path.parent
            logger.info("the page is at %s; `visage open --state-dir %s` signs in", self.url, folder)

    async def _sample(self) -> None:
        """Tell the page of the sources now and then; one reading serves every viewer."""
        while True:
            try:
                sources = await anyio.to_thread.run_sync(self._parts.service.sources)
            except WebError as error:
                logger.warning("the sources' state can't be read: %s", error)
            else:
                self.context.throughput.add(sources)
                records: list[JsonValue] = [asdict(source) for source in sources]
                self.context.feed.tell("status", {"sources": records})
            await anyio.sleep(SAMPLE_SECONDS)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off by it; else every answer waits 40 ms for an ACK.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as exc:
        listening.close()
        raise BindRefused(f"{host}:{port} can't be listened on: {exc.strerror}; set web.host and web.port") from exc
    listening.setblocking(False)
    return listening
