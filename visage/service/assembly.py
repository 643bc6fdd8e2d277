"""Puts the daemon, its gallery and the web server together: the one place of the service that knows all three."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage.assembly import Pictures
from visage.config.service import ServiceConfig
from visage.people import FaceReader, GallerySession
from visage.service.daemon import Daemon
from visage.service.port import DaemonPort
from visage.web import WebParts, WebServer
from visage.web.gallery_people import GalleryPeople
from visage.web.live import LiveHub
from visage.web.local import LOCAL_FILE

__all__ = ["serve_daemon"]


async def serve_daemon(config: ServiceConfig, load: Callable[[], ServiceConfig]) -> None:
    """Run the daemon, with its web server if that is enabled, until it is told to stop.

    Raises ServiceError, ConfigError, WebError, PeopleError, FaceIndexError, ModelError, BackendError; StageFailed where
    the pipeline can't go on.
    """
    with ExitStack() as owned:
        live = LiveHub(config.web)
        owned.callback(live.close)
        people = (
            owned.enter_context(GallerySession(config.analysis, is_daemon=True)) if config.analysis.gallery else None
        )

        def more_sinks(info: VideoInfo, pictures: Pictures) -> list[Sink]:
            source_id = info.source_id
            sinks = [] if people is None else people.sinks_for(info, pictures)
            if config.web.enabled:
                sinks.append(live.sink(lambda picture, width: daemon.to_bgr(picture, source_id, max_width=width)))
            return sinks

        daemon = owned.enter_context(
            Daemon(
                config,
                load=load,
                keep_pixels=config.web.enabled or (people is not None and people.needs_pixels),
                extra_sinks=more_sinks,
                people=None if people is None else people.gallery,
                enrolled=None if people is None else people.gallery,
                stored=(lambda _: None) if people is None else people.settle,
            )
        )
        port = DaemonPort(daemon)
        owned.callback(port.close)
        shown = None
        if people is not None:
            shown = GalleryPeople(
                people.gallery, lambda: FaceReader(config.analysis), on_forgotten=daemon.events.erase_forgotten
            )
            owned.callback(shown.close)
        parts = WebParts(
            service=port, live=live, people=shown, registry=daemon.registry, local_file=config.state_dir / LOCAL_FILE
        )

        def web() -> WebServer:
            return WebServer(config.web, parts)

        await daemon.run(web=web if config.web.enabled else None, on_started=port.restore)
