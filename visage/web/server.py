"""The web server in the daemon's event loop.

It installs no signal handlers: the daemon owns signals and calls `stop`, which ends live views and event streams at
once and lets other requests finish for up to three seconds.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator

import anyio
import anyio.to_thread
import uvicorn
from pydantic import JsonValue

from visage.config.web import WebSettings
from visage.web.app import create_app
from visage.web.context import Context, WebParts
from visage.web.errors import BindRefused, WebError
from visage.web.history import SAMPLE_SECONDS
from visage.web.records import SourceRecord
from visage.web.tokens import check_listening

__all__ = ["WebServer"]

FINISH_SECONDS = 3
MAX_CONNECTIONS = 512

logger = logging.getLogger(__name__)


class WebServer:
    """Listens from its construction on, so that a taken port or an open address is known at once."""

    def __init__(self, settings: WebSettings, parts: WebParts) -> None:
        """Raises BindRefused, TokenStoreError."""
        check_listening(settings)
        self._parts = parts
        self._app = create_app(settings, parts)
        self._socket = _listen(settings.host, settings.port)
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"http://{name}:{self._socket.getsockname()[1]}/"
        self._server = _Server(
            uvicorn.Config(
                self._app,
                log_config=None,
                log_level="critical",  # the app tells its own errors, and callers' nonsense is not worth a line
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=FINISH_SECONDS,
                limit_concurrency=MAX_CONNECTIONS,
                proxy_headers=False,
            )
        )

    @property
    def context(self) -> Context:
        """The app's parts."""
        context: Context = self._app.state.context
        return context

    async def run(self) -> None:
        """Serve until `stop`. A task that is cancelled stops as well."""
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
        """From any thread: end streams, answer no more. Safe to call twice."""
        self.context.feed.close()
        self._parts.live.close()
        self._server.should_exit = True

    async def _sample(self) -> None:
        """Tell the page of the sources now and then; one reading serves every viewer."""
        while True:
            try:
                sources = await anyio.to_thread.run_sync(self._parts.service.sources)
            except WebError as error:
                logger.warning("the sources' state can't be read: %s", error)
            else:
                self.context.throughput.add(sources)
                records: list[JsonValue] = [SourceRecord.of(source).model_dump(mode="json") for source in sources]
                self.context.feed.tell("status", {"sources": records})
            await anyio.sleep(SAMPLE_SECONDS)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as exc:
        listening.close()
        raise BindRefused(f"{host}:{port} can't be listened on: {exc.strerror}; set web.host and web.port") from exc
    listening.setblocking(False)
    return listening
