"""A household with cameras, people and visitors, for tests that look at the page and for its picture in the docs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from stages.frames import Faces, Identity
from stages.sink.preview import Preview
from tests.unit.visage.web.serving import Running
from visage.service.events import EventType
from visage.web.records import SourceRecord

__all__ = ["SOURCES", "Scene", "furnish", "moving"]

Scene = Mapping[str, tuple[NDArray[np.uint8], Faces]]

SOURCES = (
    SourceRecord(
        source_id="door",
        kind="camera",
        state="running",
        address="rtsp://***@192.168.1.20/main",
        fps=10.0,
        frames=182_311,
        faces=6_411,
        latency_seconds=0.18,
    ),
    SourceRecord(
        source_id="yard",
        kind="camera",
        state="running",
        address="rtsp://***@192.168.1.21/main",
        fps=9.8,
        frames=180_020,
        dropped=212,
        faces=902,
        latency_seconds=0.22,
    ),
    SourceRecord(
        source_id="garage",
        kind="camera",
        state="reconnecting",
        reason="no answer for 5 s; trying again in 8 s",
        address="rtsp://***@192.168.1.22/main",
        frames=96_007,
        reconnects=4,
    ),
    SourceRecord(
        source_id="archive",
        kind="folder",
        state="watching",
        reason="2 files waiting",
        address="/srv/films",
        frames=81_200,
    ),
)
KNOWN = (("Ada", "door"), ("Grace", "yard"), ("Alan", "door"), ("Katherine", "yard"))
TRACKS = (("Grace", "yard", 41, 640, True), ("", "door", 6, 95, True), ("Ada", "door", 7, 12, False))
STRANGERS = (("Unknown 17", "door"), ("Unknown 21", "yard"))


def furnish(site: Running) -> None:
    """People, unknowns, sightings, events and throughput."""
    now = datetime.now(timezone.utc)
    for number, (name, source) in enumerate((*KNOWN, *STRANGERS)):
        for minutes in range(3 + number):
            is_unknown = (name, source) in STRANGERS
            site.people.see(name, source, 60 + 25 * number, minutes_ago=minutes * 7, unknown=is_unknown)
    for name, source, number, seconds_ago, has_ended in TRACKS:
        began = now - timedelta(seconds=seconds_ago)
        person: JsonValue = {"id": f"p{name}", "name": name, "similarity": 0.7} if name else None
        track: JsonValue = {"id": number, "frame": 10, "seconds": 1.0, "end_seconds": 10.0}
        told: dict[str, JsonValue] = {"track": track, "person": person}
        kinds: list[EventType] = ["track_started"]
        kinds += ["track_identified"] * bool(name)
        kinds += ["track_ended"] * has_ended
        for step, kind in enumerate(kinds):
            at = began + timedelta(seconds=4.5 * step)
            site.service.happen(f"{kind}-{number}", kind, at, source, told)
    random = np.random.default_rng(7)
    for _ in range(60):
        site.context.throughput.add(
            [replace(source, fps=max(0.0, source.fps + random.normal(0, 0.6)) * (source.fps > 0)) for source in SOURCES]
        )


def plain_scene() -> Scene:
    """Two pictures with a face each, one of them of somebody with a long name."""
    pictures = {}
    for name, shade, who in (("door", 90, "Ada"), ("yard", 150, "Katherine Coleman Goble Johnson")):
        image = np.full((360, 640, 3), shade, np.uint8)
        cv2.circle(image, (320, 180), 60, (140, 170, 210), cv2.FILLED)
        faces = Faces(
            np.array([[250, 105, 390, 255], [20, 8, 90, 90]], np.float32),
            np.array([0.94, 0.7], np.float32),
            track_ids=np.array([7, 8]),
            identities=(Identity("p1", who, 0.71, 1.0), None),
        )
        pictures[name] = (image, faces)
    return pictures


@contextlib.contextmanager
def moving(site: Running, scene: Scene | None = None) -> Iterator[None]:
    """Sink threads' work: offer each source's picture whenever it is wanted."""
    pictures = plain_scene() if scene is None else scene
    done = threading.Event()

    def sink() -> None:
        for index in range(1_000_000):
            for source_id, (image, faces) in pictures.items():
                if site.live.wants(source_id):
                    site.live.offer(Preview(source_id, image, faces, index, index / 10, 0.0))
            if done.wait(0.02):
                return

    thread = threading.Thread(target=sink)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
