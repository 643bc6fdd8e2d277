"""Puts the daemon and the web server together: the one place of the service that knows the web's parts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage.assembly import Platform
from visage.config.service import ServiceConfig
from visage.service.daemon import Daemon
from visage.service.port import DaemonPort
from visage.web import WebParts, WebServer
from visage.web.live import LiveHub

__all__ = ["serve_daemon"]


async def serve_daemon(config: ServiceConfig, load: Callable[[], ServiceConfig]) -> None:
    """Run the daemon, with its web server if that is enabled, until it is told to stop.

    Raises ServiceError, ConfigError, WebError, ModelError, BackendError; StageFailed where the pipeline can't go on.
    """
    with ExitStack() as owned:
        live = LiveHub(config.web)
        owned.callback(live.close)

        def live_sinks(info: VideoInfo, _platform: Platform) -> list[Sink]:
            source_id = info.source_id
            return [live.sink(lambda picture: daemon.to_bgr(picture, source_id))]

        daemon = owned.enter_context(
            Daemon(
                config,
                load=load,
                keep_pixels=config.web.enabled,
                extra_sinks=live_sinks if config.web.enabled else None,
            )
        )
        port = DaemonPort(daemon)

        def web() -> WebServer:
            return WebServer(config.web, WebParts(service=port, live=live, registry=daemon.registry))

        await daemon.run(web=web if config.web.enabled else None, on_started=port.restore)
